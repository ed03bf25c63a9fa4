"""How many configurations can run where they are to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.tune import TOY
from tuner.manifests.model import PodSet
from tuner.space.model import Budget
from tuner.targets.inputs import estimate, read_inputs
from tuner.targets.runnable import runnable
from tuner.trials.resources import requested


class Small:
    """A machine for servers that ask for half a core together at most."""

    def infeasible(self, pods: PodSet) -> str | None:
        cores = requested(pods).cores
        return None if cores <= 0.5 else f"requests {cores:g} cores, this machine has 0.5"


def test_what_cannot_run_is_counted_by_why() -> None:
    inputs = read_inputs(TOY, "process")
    found = runnable(replace(inputs, backend=Small()))  # type: ignore[arg-type]
    assert found.whole
    assert found.looked_at == 84
    assert 0 < found.can < 84
    assert found.can + sum(found.why.values()) == 84
    assert set(found.why) == {"requests 1 cores, this machine has 0.5"}


def test_of_a_table_those_that_it_has_can_run(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    head = "workers,service,replicas,cpu,memory,throughput,latency_p99,error_ratio"
    table.write_text(f"{head}\n1,4,1,500m,64Mi,100,0.02,0\n2,4,1,500m,64Mi,180,0.02,0\n")
    found = runnable(read_inputs(TOY, "replay", table=table))
    assert (found.can, dict(found.why)) == (2, {"the table does not have it": 82})


def test_money_alone_bounds_the_trials() -> None:
    inputs = read_inputs(TOY, "process")
    paid = replace(inputs, space=replace(inputs.space, budget=Budget(cost=0.001)))
    found = estimate(paid)
    assert found.trials == found.paid
    assert 0 < (found.paid or 0) < 84
    assert found.seconds_a_trial * (found.paid or 0) <= found.seconds
