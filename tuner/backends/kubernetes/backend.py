"""The Kubernetes backend: checks a deployment against the cluster, makes a trial's objects, and takes them down.

Every trial is made anew and deleted, also where only replicas or resources changed. A patch would be quicker but not
provably the same: the pods that stay have warm caches, compiled code and a heap that the last trial's load left behind,
a resize in place leaves worker counts as they were computed at the start, and neither has a start-up time of its own.
Restarts of one configuration differ more than runs within one start, so a trial without a start of its own would look
more certain than it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused, passing
from tuner.backends.kubernetes.client.resources import JOBS, LIMIT_RANGES, NODES, QUOTAS, Object
from tuner.backends.kubernetes.client.selector import label_selector
from tuner.backends.kubernetes.pods import addresses, admitted, capacity, pools
from tuner.backends.kubernetes.trial import load_job, neighbours, objects, share, teardown
from tuner.backends.kubernetes.trial.anchor import SELECTOR, Anchor, Holding
from tuner.backends.kubernetes.trial.liveness import DEAD_AFTER_S, HeldByAnother, is_dead, lives_here
from tuner.backends.kubernetes.trial.load_job import LoadJob
from tuner.backends.kubernetes.trial.neighbours import Neighbours
from tuner.backends.kubernetes.trial.node_lease import NodeLeases
from tuner.backends.kubernetes.trial.objects import MANAGED_BY, MANAGER, STUDY, TRIAL, Identity
from tuner.backends.kubernetes.trial.preflight import Preflight
from tuner.backends.kubernetes.trial.running import KubernetesRunning, Placed
from tuner.backends.kubernetes.trial.share import Share
from tuner.backends.model import Deployment, Rendering
from tuner.errors import BackendFailure, EnvironmentFailure, Problem, TrialFailure
from tuner.manifests.kinds import WorkloadKind
from tuner.manifests.kinds.model import Service, at, mapping
from tuner.manifests.model import PodSet
from tuner.manifests.workload import workloads
from tuner.space.model import ClusterSpec, SearchSpace
from tuner.units import format_bytes, quantity

_READY_TIMEOUT_S = 60.0
_LOOKED_EVERY_S = 1.0
_REMEMBERED_S = 30.0
"""Nodes, quotas and limit ranges are asked for again after this time."""


class KubernetesBackend:
    """Runs trials in one namespace of a cluster; implements `tuner.backends.model.Backend`."""

    name = "kubernetes"

    def __init__(
        self,
        space: SearchSpace | None,
        *,
        namespace: str | None = None,
        kubeconfig: Path | None = None,
        context: str | None = None,
        routable: Callable[[str, int], bool] = addresses.routable,
        beside: int = 0,
    ) -> None:
        """`space` None: good only to describe the cluster and to clean up. `kubeconfig`, `context` and
        `namespace` None: the current ones, or the cluster and namespace this pod runs in. `routable`: whether packets
        from here get to an address and port. `beside`: so many other processes run trials of the same study meanwhile.
        Raises EnvironmentFailure when there is no cluster to use.
        """
        self._routable = routable
        self._beside = beside
        self._space = space
        self._api = Api(namespace=namespace, kubeconfig=kubeconfig, context=context)
        self._load: LoadJob | None = None
        self._load_takes = share.NOTHING
        self._foreseen: tuple[str, ...] = ()
        self._neighbours: tuple[float, Neighbours] | None = None
        self._remembered: tuple[float, list[Object], list[Object], list[Object]] | None = None

    @property
    def namespace(self) -> str:
        return self._api.namespace

    @property
    def context(self) -> str | None:
        """The kubeconfig's context; None: the cluster this pod runs in."""
        return self._api.context

    def check(self, pods: PodSet) -> tuple[Problem, ...]:
        """Access, and the namespace. What the cluster thinks of the configurations is `check_rendered`'s."""
        return Preflight(self._api, self._space).access(pods)

    def check_rendered(self, renderings: Sequence[Rendering]) -> tuple[Problem, ...]:
        """A server-side dry run of each: what admission, quotas and limit ranges refuse, by which parameters."""
        preflight = Preflight(self._api, self._space)
        problems = preflight.dry_run(renderings)
        told = self._told_of(renderings[0].rendered.objects, renderings[0].pods.replicas) if renderings else ()
        self._foreseen = (*told, *preflight.foreseen)
        return problems

    @property
    def foreseen(self) -> tuple[str, ...]:
        """Implements `tuner.backends.model.Foresees`."""
        labels = ", ".join(f"{key}={value}" for key, value in self._cluster.node_selector.items())
        kept = f"trials run on nodes with {labels} alone, as cluster.node_selector says; what is exported does not"
        return (*self._foreseen, *([kept] if labels else []))

    def infeasible(self, pods: PodSet) -> str | None:
        nodes, quotas, limit_ranges = self._cluster_state()
        refused = capacity.refused(pods, share.less(quotas, self._load_share), limit_ranges)
        if refused is not None and capacity.refused(pods, quotas, limit_ranges) is None:
            refused = f"{refused}, for {self._load_holds()}"
        if refused is not None or not nodes:
            return refused
        return capacity.no_room(pods, nodes, share.on_nodes(self._load_takes, self._beside + 1, self._cluster))

    @contextmanager
    def deploy(self, deployment: Deployment) -> Iterator[KubernetesRunning]:
        identity = Identity(study=deployment.study, trial=deployment.trial, study_name=deployment.study_name)
        original, kind = _workload(deployment)
        named = objects.of_trial(
            deployment.rendered.objects,
            identity,
            namespace=self._api.namespace,
            selected=self._selected(),
            node_selector=self._cluster.node_selector,
            apart=self._apart,
        )
        workload = _same(named, original, identity)
        anchor = Anchor(
            self._api,
            identity,
            workload=workload,
            pods=kind.selector(workload) or identity.selector,
            like=deployment.pods,
            cluster=self._cluster,
        )
        with _held(self._api, anchor), closing(self._leases(identity, anchor)) as turn:
            if self._beside:
                turn.take_turn()
            started_at = time.monotonic()
            service = self._make(deployment, identity, kind, anchor)
            placed = Placed(
                identity=identity,
                pods=deployment.pods,
                kind=kind,
                workload=workload,
                service=service,
                template=mapping(workload, ("spec", "template")) if workload["apiVersion"] == "apps/v1" else None,
                holding=anchor.holding,
                started_at=started_at,
                made_at=anchor.job["metadata"]["creationTimestamp"],
            )
            deployed = KubernetesRunning(
                self._api,
                placed,
                ready_timeout_s=self._space.workload.ready_timeout_s if self._space else _READY_TIMEOUT_S,
                said=self._left_out(deployment),
                load_node=self._load.node if self._load else "",
                load_holds=self._load_holds(),
                routable=self._routable,
                knobs=admitted.knobs(self._space, mapping(original, ("spec", "template"))),
                admission_is=self._cluster.admission,
                leases=self._leases(identity, anchor),
                turn=turn if self._beside else None,
            )
            with closing(deployed) as running:
                yield running

    @contextmanager
    def host_load(self, *, study: str, image: str, cpus: int, study_name: str = "") -> Iterator[LoadJob]:
        """A place for load generators inside the cluster, for as long as the context lasts: trials deployed meanwhile
        have addresses for them. Raises as entering a `LoadJob` does.
        """
        with LoadJob(
            self._api, study=study, image=image, cpus=cpus, cluster=self._cluster, study_name=study_name
        ) as job:
            self._load, self._load_takes = job, job.takes
            try:
                yield job
            finally:
                self._load = None
                if not self._beside:  # else it was a try: those who run the trials have one each
                    self._load_takes = share.NOTHING

    def clean(self) -> tuple[str, ...]:
        """Remove the trials and load generators of tuners that are gone; those of living ones are not touched."""
        removed = load_job.clean(self._api)
        for job in self._api.items(JOBS, labels=f"{SELECTOR},{MANAGED_BY}={MANAGER}"):
            if is_dead(job, self._api.now()):
                holding = Holding.of(job)
                teardown.remove(self._api, holding)
                labels = job["metadata"]["labels"]
                removed.append(
                    f"{holding.kind} {holding.name} in namespace {self._api.namespace}, trial {labels.get(TRIAL)} of "
                    f"study {labels.get(STUDY)}, and all that belonged to it"
                )
        return tuple(removed)

    def generator_cpus(self) -> tuple[int, ...]:
        return ()

    def describe(self) -> Mapping[str, str]:
        version = self._api.call("GET", "/version", what="the version")
        facts = {
            "cluster": f"{self._api.cluster} at {self._api.server}",
            "namespace": self._api.namespace,
            "kubernetes": str(version.get("gitVersion")),
            "trials": "each made anew and deleted; none is patched into the next",
            "memory_measured_as": "working set, at the start and the end of the window",
        }
        differs = next((sentence for sentence in self._foreseen if sentence.startswith("a trial's pods")), None)
        if differs:
            facts["measured_and_exported"] = differs
        nodes = self._cluster_state()[0]
        if nodes:
            facts["nodes"] = pools.by_pool(nodes, one=_described, names=("cpu", "memory"))
        return facts

    # inside

    def _leases(self, identity: Identity, anchor: Anchor) -> NodeLeases:
        return NodeLeases(
            self._api,
            namespace=self._cluster.lease_namespace or self._api.namespace,
            study=identity.labels[STUDY],
            owner=anchor.owner,
        )

    def _make(self, deployment: Deployment, identity: Identity, kind: WorkloadKind, anchor: Anchor) -> Service:
        """Create all objects; returns the Service in front of the pods."""
        placed = objects.of_trial(
            deployment.rendered.objects,
            identity,
            namespace=self._api.namespace,
            owner=anchor.owner,
            namespaced=lambda obj: self._is_namespaced(obj) and objects.scales(obj, deployment.pods.replicas) is None,
            selected=self._selected(),
            node_selector=self._cluster.node_selector,
            apart=self._apart,
        )
        workload = _same(placed, _workload(deployment)[0], identity)
        service = kind.service(workload, placed)
        if service is None:
            service = Service(name=identity.name(deployment.pods.name), port=deployment.pods.load_port)
            ours = objects.service_for(
                deployment.pods.name,
                identity,
                namespace=self._api.namespace,
                port=deployment.pods.load_port,
                owner=anchor.owner,
                labels=self._cluster.labels,
            )
            self._apply(ours)
        for obj in placed:
            self._apply(obj)
        return service

    def _apply(self, obj: Object) -> None:
        """Raises TrialFailure where the cluster refuses the object, BackendFailure where it is not ours to change."""
        resource = self._api.resource_of(obj)
        try:
            self._api.apply(resource, obj)
        except Refused as refused:
            if refused.status == 409:
                self._settle(obj, refused)
            elif refused.status in (400, 403, 404, 422, 500) and not passing(refused.message):
                over = "exceeded quota" in refused.message
                kind, ours = ("QuotaExceeded", self._load_holds()) if over else ("AdmissionRefused", "")
                reason = f"{refused}; {ours}" if ours else str(refused)
                raise TrialFailure(stage="deploy", kind=kind, reason=reason) from None
            else:
                raise

    def _settle(self, obj: Object, conflict: Refused) -> None:
        """Another manager owns a field of it: taken over if the object is this trial's own."""
        resource, name = self._api.resource_of(obj), obj["metadata"]["name"]
        there = self._api.get(resource, name)
        labels, mine = mapping(there, ("metadata", "labels")), obj["metadata"]["labels"]
        if any(labels.get(key) != mine[key] for key in (STUDY, TRIAL, MANAGED_BY)):
            raise BackendFailure(f"{obj['kind']} {name} is there already and is not this tuner's: {conflict.message}")
        self._api.apply(resource, obj, force=True)

    def _is_namespaced(self, obj: Mapping[str, Any]) -> bool:
        return self._api.resource_of(obj).namespaced

    def _left_out(self, deployment: Deployment) -> list[str]:
        return [
            f"{obj.get('kind')} {at(obj, ('metadata', 'name'))} of the manifest is the whole cluster's: "
            "a trial does not create it"
            for obj in deployment.rendered.objects
            if not self._is_namespaced(obj)
        ]

    def _told_of(self, manifest: Sequence[Mapping[str, Any]], replicas: int) -> Iterator[str]:
        """What of a manifest a trial does otherwise than `kubectl apply` would."""
        for obj in manifest:
            scaled = objects.scales(obj, replicas)
            if scaled is not None:
                yield (
                    f"{obj.get('kind')} {at(obj, ('metadata', 'name'))} scales {scaled}: a trial does not create it, so that "
                    "the replicas that are asked for are those that are measured; the exported manifest keeps it"
                )
        named = {str(at(obj, ("metadata", "namespace")) or self._api.namespace) for obj in manifest}
        if others := sorted(named - {self._api.namespace}):
            yield (
                f"the manifest is for namespace {' and '.join(others)}, but trials run in {self._api.namespace}: ConfigMaps, "
                "Secrets, service accounts and claims that are not in the manifest are looked for there "
                f"(--namespace {others[0]} runs them where the manifest belongs)"
            )

    @property
    def _cluster(self) -> ClusterSpec:
        return self._space.cluster if self._space else ClusterSpec()

    @property
    def _apart(self) -> bool:
        return self._beside > 0 and self._cluster.apart

    @property
    def _load_share(self) -> Share:
        """Of all load generators of the study."""
        return share.times(self._load_takes, self._beside + 1)

    def _selected(self) -> frozenset[str]:
        """Labels by which something in the namespace selects pods."""
        now = time.monotonic()
        if self._neighbours is None or now - self._neighbours[0] > _REMEMBERED_S:
            self._neighbours = (now, neighbours.read(self._api))
        return self._neighbours[1].keys

    def _load_holds(self) -> str:
        """What the load generators take of the quotas, in words; empty: nothing."""
        parts = list(share.told(self._cluster_state()[1], self._load_share)) if self._load_takes else []
        many = self._beside + 1
        which = (
            "the load generator in the cluster takes" if many == 1 else f"{many} load generators in the cluster take"
        )
        return f"{which} {', '.join(parts)} (--load here sends from this machine)" if parts else ""

    def _cluster_state(self) -> tuple[list[Object], list[Object], list[Object]]:
        """Nodes that trials may run on, quotas and limit ranges; empty where the rights to read them are missing."""
        now = time.monotonic()
        if self._remembered is None or now - self._remembered[0] > _REMEMBERED_S:
            found: list[list[Object]] = [[], [], []]
            kept = label_selector({"matchLabels": self._cluster.node_selector})
            for place, (resource, labels) in enumerate(((NODES, kept), (QUOTAS, ""), (LIMIT_RANGES, ""))):
                with suppress(NotAllowed):
                    found[place] = self._api.items(resource, labels=labels)
            self._remembered = (now, found[0], found[1], found[2])
        return self._remembered[1:]


@contextmanager
def _held(api: Api, anchor: Anchor) -> Iterator[None]:
    """The anchor and all it owns are there for as long as the context lasts; then nothing of the trial is.

    An error that ends the context leaves it as it is, an interrupt above all; where the trial's objects could not be
    removed then, a note says so.
    """
    try:
        _make(api, anchor)
        yield
    except BaseException as error:
        try:
            _let_go(api, anchor)
        except EnvironmentFailure as failure:
            error.add_note(f"and what was deployed could not be removed: {failure}; `tune clean` does it later")
        raise
    _let_go(api, anchor)


def _make(api: Api, anchor: Anchor) -> None:
    """Where a worker was lost with this trial, what is left of it is removed first; whether one that was not heard of for a
    while is lost shows after a while more. Raises HeldByAnother of one that lives."""
    end = time.monotonic() + DEAD_AFTER_S
    while True:
        try:
            return anchor.make()
        except HeldByAnother as held:
            if is_dead(held.job, api.now()):
                teardown.remove(api, Holding.of(held.job))
            elif lives_here(held.job) or time.monotonic() > end:
                raise
            else:
                time.sleep(_LOOKED_EVERY_S)


def _let_go(api: Api, anchor: Anchor) -> None:
    anchor.close()
    if anchor.job and not anchor.is_anothers():
        teardown.remove(api, anchor.holding)


def _workload(deployment: Deployment) -> tuple[Mapping[str, Any], WorkloadKind]:
    """The manifest's workload that the pods are of."""
    for found in workloads(deployment.rendered.objects):
        if (found.kind.kind, found.name) == (deployment.pods.kind, deployment.pods.name):
            component = deployment.pods.component
            return found.obj, found.kind if component is None else found.kind.of(component)
    raise BackendFailure(f"the manifest holds no {deployment.pods.kind} {deployment.pods.name}")


def _same(placed: Sequence[Object], original: Mapping[str, Any], identity: Identity) -> Object:
    """The placed object that was made of the original."""
    name = identity.name(str(at(original, ("metadata", "name"))))
    return next(o for o in placed if (o["kind"], o["metadata"]["name"]) == (original["kind"], name))


def _described(node: Mapping[str, Any]) -> str:
    there, info = mapping(node, ("status", "allocatable")), mapping(node, ("status", "nodeInfo"))
    memory = format_bytes(float(quantity(str(there.get("memory", 0)))))
    extended = ", ".join(f"{amount} {name}" for name, amount in there.items() if "." in name)
    return (
        f"{at(node, ('metadata', 'name'))}: {there.get('cpu')} CPUs, {memory}"
        f"{', ' + extended if extended else ''}, {info.get('kubeletVersion')}, {info.get('containerRuntimeVersion')}"
    )
