"""Overheads of a trial on a cluster; see scripts/benchmark/cluster."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.backends.kubernetes import toys  # noqa: E402
from tests.cluster import images, ways  # noqa: E402
from tests.cluster.fixture import Cluster  # noqa: E402
from tuner.backends.kubernetes import KubernetesBackend  # noqa: E402

PATIENCE_S = 60.0


def ours(backend: KubernetesBackend) -> dict[str, float]:
    began = time.perf_counter()
    with backend.deploy(toys.deployment([toys.manifest()])) as running:
        running.wait_ready(PATIENCE_S)
        ready = time.perf_counter()
        if found := running.differences():
            sys.exit(f"what runs is not what was rendered: {found}")
        verified = time.perf_counter()
    gone = time.perf_counter()
    return {
        "tuner: deploy to ready": ready - began,
        "tuner: verify": verified - ready,
        "tuner: teardown": gone - verified,
        "tuner: trial to trial": gone - began,
    }


def bare(cluster: Cluster, namespace: str) -> dict[str, float]:
    manifest = toys.manifest()
    manifest["metadata"]["name"] = name = f"bare-{secrets.token_hex(3)}"
    within = f"--namespace={namespace}"
    began = time.perf_counter()
    cluster.kubectl("apply", within, "--filename=-", stdin=json.dumps(manifest))
    cluster.kubectl("rollout", "status", within, f"deployment/{name}", f"--timeout={PATIENCE_S:.0f}s")
    ready = time.perf_counter()
    for kind in ("deployment", "replicaset"):
        cluster.kubectl("delete", kind, within, "--all", "--cascade=orphan")
    cluster.kubectl("delete", "pods", within, "--all", "--grace-period=1")  # else the toy takes its whole grace period
    return {"kubectl: apply to ready": ready - began}


@contextmanager
def namespace_of_its_own(cluster: Cluster) -> Iterator[str]:
    name = f"tuner-benchmark-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def main(rounds: int, *, current: bool) -> None:
    way = ways.choose(current=current)
    if not way.is_up():
        sys.exit("there is no cluster; start one with `scripts/cluster up`")
    if not current:
        way.load(images.archive("toy"))
    cluster = Cluster(kubeconfig=way.kubeconfig(), way=way)
    found: dict[str, list[float]] = {}
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    with namespace_of_its_own(cluster) as namespace:
        backend = KubernetesBackend(toys.SPACE, namespace=namespace, kubeconfig=cluster.kubeconfig)
        for _ in range(rounds):  # by turns, so that both meet the same noise
            for name, value in {**ours(backend), **bare(cluster, namespace)}.items():
                found.setdefault(name, []).append(value)
    for name, values in found.items():
        print(f"{name:<24} median {median(values):6.2f} s   {min(values):.2f} to {max(values):.2f}")
    beyond = median(found["tuner: deploy to ready"]) - median(found["kubectl: apply to ready"])
    print(f"deploy to ready beyond bare kubectl: {beyond:+.2f} s")
    print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    numbers = [argument for argument in sys.argv[1:] if argument != "--current"]
    main(int(numbers[0]) if numbers else 10, current="--current" in sys.argv[1:])
