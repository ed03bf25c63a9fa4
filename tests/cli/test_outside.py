"""What the world around a command does to it: closed terminals, pipes for files, full and read-only folders, two at
once, other working folders."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.cli.study import journal, processes_below, quick_space
from tests.cli.tune import COMMAND, Tune


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    return Tune(tmp_path)


def test_a_closed_terminal_takes_everything_down(tune: Tune) -> None:
    space = quick_space(tune.folder)
    ours, theirs = pty.openpty()
    arguments = ["run", str(space), "--trials", "9", "--tracking-uri", "none"]
    running = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=tune.folder,
        env={**tune.environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_controlled,
    )
    os.close(theirs)
    seen = b""
    while b"warm-up" not in seen:
        seen += os.read(ours, 65536)
    assert processes_below(tune.folder), "a trial runs"
    os.close(ours)  # the kernel sends SIGHUP
    assert running.wait(timeout=60) == 130
    assert processes_below(tune.folder) == []
    assert [event.kind for event in journal(tune.folder).events][-1] == "interrupted"


def _controlled() -> None:
    """Standard input becomes the terminal that controls the session."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "", "a/b", "x" * 300, "-x", "a\nb"])
def test_a_name_stays_in_its_folder(tune: Tune, name: str) -> None:
    done = tune("run", quick_space(tune.folder), "--trials", "1", f"--name={name}", "--tracking-uri", "none")
    assert done.status == 2, done.err
    assert done.err.startswith("--name: ")
    assert "is no name of a study; use at most 80" in done.err
    assert not (tune.folder / "studies").exists()


@pytest.mark.parametrize("file", ["pipe", "/dev/zero", "/dev/stdin"])
def test_what_may_never_end_is_no_input(tune: Tune, file: str) -> None:
    os.mkfifo(tune.folder / "pipe")
    for command in (("init", file), ("check", file), ("bench", file)):
        done = tune(*command, stdin="", within_s=30.0)
        assert done.status == 2, done.err
        assert "it is a pipe or a device; write its content into a file first" in done.err


@pytest.mark.parametrize("what", ["manifest", "request"])
def test_nor_is_it_what_a_space_names(tune: Tune, what: str) -> None:
    space = quick_space(tune.folder)
    named = {"manifest": "deployment.yaml", "request": "request.json"}[what]
    (space / named).unlink()
    os.mkfifo(space / named)
    done = tune("check", space, within_s=30.0)
    assert done.status == 2, done.err
    assert f"there is no file '{named}'" in done.err


def test_two_at_once_without_a_name_take_two(tune: Tune) -> None:
    space = quick_space(tune.folder)
    both = [
        tune.start("run", space, "--trials", "1", "--confirm", "0", "--tracking-uri", "none", "--sampler", sampler)
        for sampler in ("tpe", "random")
    ]
    said = [running.communicate(timeout=100)[1] for running in both]
    assert all(running.returncode in (0, 1, 3) for running in both), said
    assert [journal(tune.folder, name).start.name for name in ("toy", "toy-2")] == ["toy", "toy-2"], said
    assert {journal(tune.folder, name).start.sampler for name in ("toy", "toy-2")} == {"tpe", "random"}


def test_a_study_goes_on_from_another_folder_and_after_it_was_moved(tune: Tune) -> None:
    space = quick_space(tune.folder)
    arguments = ("--trials", "1", "--confirm", "0", "--tracking-uri", "none")
    assert tune("run", space, *arguments, "--studies", "a").status in (0, 1, 3)
    (tune.folder / "a").rename(tune.folder / "b")
    elsewhere = Tune(tune.folder / "elsewhere")
    elsewhere.folder.mkdir()
    resumed = elsewhere("resume", tune.folder / "b" / "toy", "--trials", "2")
    assert resumed.status in (0, 1, 3), resumed.err
    assert not (tune.folder / "a").exists()
    assert list(elsewhere.folder.iterdir()) == [elsewhere.folder / "state"]
    assert len(journal(tune.folder.parent, str(tune.folder / "b" / "toy")).trials) == 2


def test_a_folder_that_cannot_be_written_is_told_at_the_start(tune: Tune) -> None:
    """/proc is a folder in which nothing can be made, also for root."""
    done = tune("run", quick_space(tune.folder), "--trials", "1", "--tracking-uri", "none", "--studies", "/proc/self/x")
    assert done.status == 3, done.err
    assert "cannot be opened for writing" in done.err
    assert "Traceback" not in done.err


def test_a_long_name_of_a_file(tune: Tune) -> None:
    for command in ("init", "check", "show", "bench"):
        done = tune(command, "n" * 300)
        assert done.status == 2, done.err
        assert "Traceback" not in done.err
        assert len(done.err) < 1000


def test_sequences_of_a_server_do_not_reach_the_terminal(tune: Tune) -> None:
    space = quick_space(tune.folder)
    server = tune.folder / "toy.py"
    escape = "import sys; sys.stderr.write('\\x1b]0;owned\\x07\\x1b[31mno model\\x1b[0m here\\n'); sys.exit(4)\n"
    server.write_text(escape)
    done = tune("run", space, "--trials", "1", "--confirm", "0", "--tracking-uri", "none")
    kept = (tune.folder / "studies" / "toy" / "journal.jsonl").read_text()
    log = (tune.folder / "studies" / "toy" / "trials" / "0000" / "server.log").read_text()
    assert "no model here" in kept
    for text in (done.out, done.err, kept, log):
        assert "\x1b" not in text
        assert "u001b" not in text
        assert "owned" not in text


def test_secrets_of_the_manifest_stay_out_of_mlflow_and_its_copies_private(tune: Tune) -> None:
    space = quick_space(tune.folder)
    manifest = space / "deployment.yaml"
    secrets = "- {name: DB_PASSWORD, value: hunter22}\n            - {name: PLAIN, value: tellnoone}\n            "
    manifest.write_text(manifest.read_text().replace("- name: TOY_WORKERS", f"{secrets}- name: TOY_WORKERS"))
    assert "hunter22" in manifest.read_text()
    done = tune("run", space, "--trials", "1", "--confirm", "0", "--mask", "PLAIN")
    assert done.status in (0, 1, 3), done.err
    assert f"{manifest}: literal values that look secret: DB_PASSWORD (line " in done.err
    assert "PLAIN (line " in done.err
    recorded = [path for path in (tune.folder / "mlartifacts").rglob("*") if path.is_file()]
    assert any(path.name == "manifest.yaml" for path in recorded)
    for path in (*recorded, tune.folder / "mlflow.db"):
        content = path.read_bytes()
        assert b"hunter22" not in content, path
        assert b"tellnoone" not in content, path
    study = tune.folder / "studies" / "toy"
    assert (study / "trials" / "0000" / "manifest.yaml").read_bytes() == manifest.read_bytes()
    for path in (study / "trials" / "0000" / "manifest.yaml", study / "journal.jsonl", study / "report.json"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_driver_that_is_missing_is_named_before_anything_starts(tune: Tune) -> None:
    space = quick_space(tune.folder)
    done = tune("run", space, "--storage", "oracle://me:p/w@db/x", "--tracking-uri", "mysql://me:p/w@db/x")
    assert done.status == 2, done.err
    assert "--storage: the driver of oracle://***@db/x is not installed" in done.err
    assert "--tracking-uri: the driver of mysql://***@db/x is not installed" in done.err
    assert "install the package mysqlclient" in done.err
    assert not (tune.folder / "studies").exists()
