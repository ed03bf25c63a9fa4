"""What `tune apply` asks to agree to before anything is sent."""

from __future__ import annotations

from tests.manifests.test_kinds import SELDON, without_engine
from tuner.backends.kubernetes.client.resources import ApiResource
from tuner.backends.kubernetes.rollout.plan import Change
from tuner.commands.apply import _elsewhere
from tuner.yaml.tree import load_all

KIND = "SeldonDeployment"
RESOURCE = ApiResource(
    api_version="machinelearning.seldon.io/v1", kind=KIND, plural="seldondeployments", namespaced=True
)


def change(live: str | None, wanted: str) -> Change:
    (there,) = load_all(live) if live else (None,)
    return Change(
        resource=RESOURCE,
        wanted=dict(load_all(wanted)[0]),
        live=there and dict(there),
        after={},
        diff="x",
        conflicts=(),
    )


def test_other_ports_of_what_is_live_are_to_be_agreed_to() -> None:
    (problem,) = _elsewhere("namespace serving", [change(SELDON, without_engine("true"))])
    assert "port 9000 (gRPC 9500) instead of port 8000 (gRPC 5001)" in problem.message
    assert "--accept-ports" in problem.fix


def test_what_stays_where_it_is_or_is_new_is_not() -> None:
    assert _elsewhere("namespace serving", [change(SELDON, SELDON)]) == []
    assert _elsewhere("namespace serving", [change(None, without_engine("true"))]) == []
