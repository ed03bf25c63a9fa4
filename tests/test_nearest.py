from __future__ import annotations

import pytest

from tuner.nearest import slip


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("OMP_NUM_THREAD", "OMP_NUM_THREADS", True),
        ("--wrokers", "--workers", True),
        ("--worker_s", "--workers", True),
        ("--max_num_seqs", "--max-num-seqs", True),
        ("GUNICORN_TREADS", "GUNICORN_THREADS", True),
        ("Gunicorn_Threads", "GUNICORN_THREADS", True),
        ("--workars", "--workers", True),
        ("WORKER_1", "WORKER_2", False),
        ("WORKER", "WORKER_1", False),
        ("BATCH_SIZE_MIN", "BATCH_SIZE_MAX", False),
        ("GUNICORN_THREADS", "GUNICORN_WORKERS", False),
        ("--workers", "--workers", False),
        ("", "ab", False),
    ],
)
def test_one_slip_of_the_keyboard(word: str, known: str, meant: bool) -> None:
    assert slip(word, [known]) == (known if meant else None)
