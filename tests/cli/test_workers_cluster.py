"""A study in PostgreSQL whose trials `tune worker`s run on a real cluster; workers, the tuner and sessions die on the way."""

from __future__ import annotations

import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.killed import check_nothing_left, namespace
from tests.cli.study import quick_space
from tests.cli.workers_killed import Background, OneOfSeveral
from tests.cluster.fixture import Cluster
from tests.cluster.programs import programs
from tests.trials.database.broken import cut_sessions
from tests.trials.database.place import url

__all__ = ["url"]

TRIALS = 4
RESUMED_AT_MOST = 60


def await_said(folder: Path, wanted: str) -> None:
    """Until a command has said it, in its file."""
    end = time.monotonic() + 300.0
    while not re.search(wanted, said := (folder / "said").read_text(), re.MULTILINE):
        assert time.monotonic() < end, f"{wanted} was not said: {said}"
        time.sleep(0.1)


def running(url: str) -> int:
    """The process of a worker that has a trial."""
    import psycopg

    with psycopg.connect(url) as session:
        while True:
            found = session.execute("SELECT worker FROM tuner_order WHERE state = 'running' AND number > 0").fetchone()
            session.rollback()
            if found is not None:
                return int(found[0].split("-")[-2])
            time.sleep(0.1)


@pytest.mark.timeout(900)
def test_workers_join_die_and_are_followed(
    tmp_path: Path, url: str, cluster: Cluster, images: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    images("toy")  # type: ignore[operator]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    machines = [OneOfSeveral(tmp_path / name, url=url) for name in ("here", "one", "two", "three")]
    for one in machines:
        one.folder.mkdir()
    here, *others = machines
    with namespace(cluster.kubeconfig, f"{programs()}/kubectl") as where, ExitStack() as ends:
        options = ("--name", "far", "--parallel", "2", "--workers", "--trials", str(TRIALS), "--load", "here")
        space = str(quick_space(here.folder))
        deciding = Background(here, "run", space, *options, "--tracking-uri", "none", *where.options)
        team = [Background(one, "worker", "far") for one in others[:2]]
        for one in (deciding, *team):
            ends.callback(one.end)
        await_said(here.folder, r"^trial [1-9]\d*: deploy")
        pid = running(url)
        (dead,) = [one for one in team if one.running.pid == pid]
        dead.kill()
        team.remove(dead)
        team.append(Background(others[2], "worker", "far"))
        ends.callback(team[-1].end)
        await_said(here.folder, r"is offered to others$")
        deciding.kill()

        over = threading.Event()
        cutting = threading.Thread(target=cut_sessions, args=(url, over, 2.0))
        cutting.start()
        try:
            for _ in range(RESUMED_AT_MOST):
                done = here("resume", "far")
                # whoever is dead counts as such half a minute later; a machine may be too busy to measure
                if not (done.status == 2 and "heard of" in done.err) and not (
                    done.status == 3 and "lateness" in done.err
                ):
                    break
        finally:
            over.set()
            cutting.join()
        assert done.status in (0, 1), done.err
        shown = here("show", "far", "--json").json["trials"]
        assert [one["number"] for one in shown] == list(range(len(shown)))
        assert [one.running.wait(60) for one in team] == [0, 0], "workers leave when the study has ended"
        check_nothing_left(where, tmp_path)
