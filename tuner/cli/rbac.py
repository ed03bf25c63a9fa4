"""`tune rbac`: the least rights on a cluster that work, as YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _name(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    if not _DNS_LABEL.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no name in Kubernetes; use lower-case letters, digits and dashes")
    return text


@click.command()
@click.argument("space", type=click.Path(path_type=Path), required=False)
@click.option("--namespace", default="default", show_default=True, callback=_name, help="Where on the cluster.")
@click.option(
    "--service-account", default="tuner", show_default=True, callback=_name, help="The account that gets the rights."
)
@click.option(
    "--load",
    type=click.Choice(["cluster", "here"]),
    default="cluster",
    show_default=True,
    help="Where the load is sent from: a pod inside the cluster, or where tune runs.",
)
@click.option(
    "--apply-rights", is_flag=True, help="The rights of `tune apply` instead, for the namespace that it applies to."
)
@click.option("--nodes", is_flag=True, help="Also a ClusterRole to read the nodes; what for is said in the output.")
@click.option(
    "--network-policy", is_flag=True, help="Also the NetworkPolicies that let load through, where they are needed."
)
def rbac(
    space: Path | None,
    namespace: str,
    service_account: str,
    load: str,
    apply_rights: bool,
    nodes: bool,
    network_policy: bool,
) -> None:
    """Write the least Role, RoleBinding and ServiceAccount that work, with a reason for every verb.

    SPACE is a search-space file or its folder: the kinds of objects in its manifest are among the rights. Without it
    they are those of a Deployment (and, to apply, of a Service). Nothing is asked of a cluster.

    \b
    tune rbac search_spaces/iris --namespace tuning | kubectl apply -f -
    tune rbac search_spaces/iris --namespace serving --apply-rights | kubectl apply -f -
    tune rbac search_spaces/iris --namespace tuning --network-policy | kubectl apply -f -
    """
    from tuner.backends.kubernetes.rights import network
    from tuner.backends.kubernetes.rights import role as written
    from tuner.backends.kubernetes.rights.table import Load

    objects = _objects(space) if space is not None else ()
    sent_from: Load = "cluster" if load == "cluster" else "here"
    account = written.Account(namespace=namespace, name=service_account)
    rights = (written.of_apply if apply_rights else written.of_trials)(objects, sent_from)
    what = "`tune apply` needs" if apply_rights else "`tune run --backend kubernetes` needs"
    click.echo(f"# All that {what} in namespace {namespace}, load sent from {_FROM[load]}.")
    role = f"{service_account}-{'apply' if apply_rights else 'trials'}"
    click.echo(written.role(account, role, rights, nodes=nodes), nl=False)
    if network_policy:
        click.echo(f"---\n{network.policies(namespace, service_account, sent_from)}", nl=False)


_FROM = {"cluster": "inside the cluster", "here": "where tune runs"}


def _objects(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Of the search space's manifest. Raises InputError for a file that cannot be read."""
    from tuner.errors import InputError
    from tuner.manifests.documents import load_all
    from tuner.manifests.reader import read as read_manifest
    from tuner.space.file.read import read as read_space

    space, problems = read_space(path)
    if space is None:
        raise InputError(problems)
    manifest, problems = read_manifest(space.manifest)
    if manifest is None:
        raise InputError(problems)
    return load_all(manifest.text)
