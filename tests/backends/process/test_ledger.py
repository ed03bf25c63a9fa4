"""What a dead tuner left behind is found by its record."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tuner.backends.process import ledger
from tuner.backends.process.container.processes import identify


def entry_of_a_dead_tuner(folder: Path, **changes: object) -> Path:
    entry = ledger.Entry(folder, "trial 3 of study toy")
    file = folder / f"{entry.name}.json"
    record = json.loads(file.read_text())
    record["tuner"][1] -= 1  # as if our number had belonged to another process before
    record.update(changes)
    file.write_text(json.dumps(record))
    return file


def test_clean_kills_only_a_process_with_the_recorded_start(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        found = identify(process.pid)
        assert found is not None
        entry_of_a_dead_tuner(tmp_path, processes=[[found.pid, found.start_ticks - 1]])
        (sentence,) = ledger.clean(tmp_path)
        assert "nothing but its record" in sentence
        assert found.alive()
        entry_of_a_dead_tuner(tmp_path, processes=[[found.pid, found.start_ticks]])
        (sentence,) = ledger.clean(tmp_path)
        assert (
            f"trial 3 of study toy left behind when tuner process {os.getpid()} died: 1 process ({found.pid})"
            in sentence
        )
        assert not found.alive()
    assert not list(tmp_path.iterdir())


def test_clean_removes_folders_and_after_a_restart_of_the_machine_kills_nothing(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mine = identify(os.getpid())
    assert mine is not None
    entry_of_a_dead_tuner(
        tmp_path / "state", folders=[str(scratch)], boot="another", processes=[[mine.pid, mine.start_ticks]]
    )
    (sentence,) = ledger.clean(tmp_path / "state")
    assert sentence.endswith("1 folder")
    assert not scratch.exists()


def test_clean_leaves_the_living_and_reports_what_it_cannot_read(tmp_path: Path) -> None:
    entry = ledger.Entry(tmp_path, "trial 0 of study toy")
    assert ledger.clean(tmp_path) == ()
    (tmp_path / "1-torn.json").write_text('{"tuner"')
    (sentence,) = ledger.clean(tmp_path)
    assert "1-torn.json could not be cleaned up" in sentence
    entry.close()
    assert ledger.clean(tmp_path / "never made") == ()
