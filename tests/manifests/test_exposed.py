"""Where clients find a server, before and after."""

from __future__ import annotations

from tests.manifests.test_kinds import SELDON, without_engine
from tuner.manifests.exposed import moved
from tuner.yaml.tree import load_all


def test_without_its_orchestrator_a_server_answers_on_other_ports() -> None:
    (told,) = moved(load_all(SELDON), load_all(without_engine("true")))
    assert told.startswith(
        "the Service iris-default answers on port 9000 (gRPC 9500) instead of port 8000 (gRPC 5001): whatever names"
    )


def test_what_stays_where_it_is_or_was_not_there_is_not_told() -> None:
    assert moved(load_all(SELDON), load_all(without_engine("false"))) == ()
    assert moved((), load_all(without_engine("true"))) == ()
