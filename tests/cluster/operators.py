"""What operators that run beside a cluster of our own have in common: where they run, and their webhooks, which are asked at
this machine's end of the cluster's network.
"""

from __future__ import annotations

import base64
import copy
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster import daemons, network, pki
from tests.cluster.control import kubeconfig, kubectl, obliged
from tests.cluster.places import nodes, state
from tests.cluster.programs import programs


def install(definitions: Path, plural: str, namespace: str) -> None:
    """Definitions of custom resources, until all of them are established and those of this name served, and the operator's
    namespace.
    """
    define(definitions)
    served = ("get", plural, "--namespace=default")
    daemons.wait(f"the definition of {plural}", lambda: kubectl(programs(), *served).returncode == 0, 60)
    if kubectl(programs(), "get", "namespace", namespace).returncode:
        obliged(programs(), "create", "namespace", namespace)


def define(definitions: Path) -> None:
    """Definitions of custom resources, until all of them are established."""
    # Asked again by us: on a busy machine large ones take the API server longer than kubectl waits, and a definition's
    # conditions are null until its controller has seen it, at which kubectl's own waiting fails at once.
    of = f"--filename={definitions}"
    obliged(programs(), "apply", "--server-side", "--force-conflicts", of, within_s=240)
    obliged(programs(), "wait", "--for=condition=Established", "--timeout=60s", of, within_s=240)


def start(name: str, program: Path, variables: Mapping[str, str], port: int, *flags: str) -> None:
    """Until its webhooks are served at `port`. It finds their certificate in what `certified` makes. One that ends before
    is begun again, as its Deployment would: its own client may hear of its definitions later than ours.
    """
    told = {**variables, "TMPDIR": str(certified(name))}
    env = ["env", *(f"{key}={value}" for key, value in told.items())]
    served = [f"--kubeconfig={kubeconfig()}", f"--webhook-port={port}", "--metrics-addr=0"]
    daemons.start(name, [*network.inside(), *env, str(program), *served, *flags])

    def serves() -> bool:
        if daemons.pid(name) is None:
            daemons.again(name)
        return listens(port)

    daemons.wait(f"the program {name}", serves, 60, name)


def apply(obj: Mapping[str, Any]) -> None:
    obliged(programs(), "apply", "--server-side", "--filename=-", stdin=json.dumps(obj))


def certified(name: str) -> Path:
    """A folder to be `TMPDIR` of the operator: where it looks, as all that are built on controller-runtime do, lies a
    certificate for the address at which it is asked."""
    folder = state() / name
    served = folder / "k8s-webhook-server" / "serving-certs"
    served.mkdir(parents=True, exist_ok=True)
    certificate = f"{name}-webhook"
    pki.sign(certificate, f"/CN={certificate}", f"IP:{nodes()[0].address}")
    for ending, to in ((".crt", "tls.crt"), (".key", "tls.key")):
        (served / to).write_bytes((state() / "pki" / f"{certificate}{ending}").read_bytes())
    return folder


def asked_here(configuration: dict[str, Any], port: int) -> dict[str, Any]:
    """A published webhook configuration, whose webhooks name a Service, with this address in its place."""
    found = copy.deepcopy(configuration)
    authority = base64.b64encode((state() / "pki" / "ca.crt").read_bytes()).decode()
    for hook in found["webhooks"]:
        path = hook["clientConfig"]["service"]["path"]
        hook["clientConfig"] = {"url": f"https://{nodes()[0].address}:{port}{path}", "caBundle": authority}
    return found


def listens(port: int) -> bool:
    try:
        socket.create_connection((nodes()[0].address, port), timeout=2.0).close()
    except OSError:
        return False
    return True
