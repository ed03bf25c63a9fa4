"""What the steps may: each has an account of its own, and Argo's executor in its pod the little that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.argo.settings import Settings
from tuner.backends.kubernetes.rights.role import Account, of_apply, of_trials, role
from tuner.backends.kubernetes.rights.table import Load, Right

EXECUTOR = Right(
    group="argoproj.io",
    resource="workflowtaskresults",
    verbs=("create", "patch"),
    why="Argo's executor tells outputs and progress",
)


def documents(settings: Settings, objects: Sequence[Mapping[str, Any]], load: Load, *, nodes: bool) -> Iterator[str]:
    """ServiceAccounts, Roles and RoleBindings as YAML; `objects`: of the manifest. `nodes`: a ClusterRole, too."""
    accounts = {who: Account(namespace=settings.namespace, name=name) for who, name in settings.accounts.items()}
    trials = (EXECUTOR, *of_trials(objects, load))
    yield role(accounts["study"], accounts["study"].name, trials, nodes=nodes)
    yield role(accounts["report"], accounts["report"].name, (EXECUTOR,), nodes=False)
    if settings.apply_to is None:
        return
    applied = of_apply(objects, load)
    own = accounts["apply"]
    if settings.apply_to == settings.namespace:
        yield role(own, own.name, (EXECUTOR, *applied), nodes=False)
        return
    yield role(own, own.name, (EXECUTOR,), nodes=False)
    yield role(own, own.name, applied, nodes=False, within=settings.apply_to)
