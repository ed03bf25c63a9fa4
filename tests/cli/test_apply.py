"""`tune apply` and `tune rbac` on a real cluster: a study through an account with the Role that `tune rbac` writes, its
choice applied, and taken back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.study import quick_space
from tests.cli.tune import Done, Tune, interrupt
from tests.cluster.fixture import Cluster
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import DEPLOYMENTS, ApiResource
from tuner.backends.kubernetes.rights.access import missing, rights
from tuner.backends.kubernetes.rights.table import Right
from tuner.manifests.model import Rendered
from tuner.manifests.pods import pods as pods_of
from tuner.space.file.read import read as read_space
from tuner.yaml.tree import load_all

SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: toy}
spec:
  selector: {app: toy}
  ports: [{name: http, port: 80, targetPort: http}]
"""


@dataclass(frozen=True)
class Namespace:
    """A namespace of the test's own."""

    name: str
    cluster: Cluster

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin)

    def live(self, what: str) -> dict[str, Any] | None:
        found = self.kubectl("get", what, "--ignore-not-found", "-o", "json", "--show-managed-fields")
        return json.loads(found) if found else None

    def wanted(self, what: str = "deployment/toy") -> dict[str, Any] | None:
        """All of an object that is somebody's wish, and whose it is."""
        found = self.live(what)
        if found is None:
            return None
        metadata = found["metadata"]
        metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
        owners = [entry for entry in metadata["managedFields"] if not entry.get("subresource")]
        kept = {key: metadata.get(key) for key in ("labels", "annotations", "uid")}
        return {**found, "metadata": {**kept, "owners": owners}, "status": None}


def made(cluster: Cluster) -> Iterator[Namespace]:
    with cluster.namespace("tuner-apply") as name:
        yield Namespace(name, cluster)
    cluster.kubectl("-n", name, "delete", "pods", "--all", "--grace-period=1", "--wait=false")


@pytest.fixture(scope="module")
def tuning(cluster: Cluster) -> Iterator[Namespace]:
    yield from made(cluster)


@pytest.fixture
def serving(cluster: Cluster) -> Iterator[Namespace]:
    yield from made(cluster)


def account(namespace: Namespace, path: Path, role: str) -> Path:
    """A kubeconfig of the account `tuner`, with the given role."""
    namespace.kubectl("apply", "-f", "-", stdin=role)
    config = yaml.safe_load(namespace.cluster.kubeconfig.read_text())
    token = namespace.kubectl("create", "token", "tuner").strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, tuning: Namespace, images: Callable[[str], str]) -> Path:
    """A folder with a finished study of the toy, run by an account that may do what `tune rbac` writes and no more."""
    folder = tmp_path_factory.mktemp("studied")
    space = quick_space(folder)
    manifest = space / "deployment.yaml"
    text = manifest.read_text().replace("example/toy:1", images("toy"))
    manifest.write_text(
        text.replace(
            "    spec:\n      containers:", "    spec:\n      terminationGracePeriodSeconds: 1\n      containers:"
        )
        + SERVICE
    )
    # how fast a busy machine is must not decide: no noise floor to fall short of, and an SLO that is always met
    definition = space / "space.yaml"
    definition.write_text(definition.read_text().replace("latency_p90: 200ms", "latency_p90: 4s"))
    tune = Tune(folder)
    role = tune("rbac", space, "--namespace", tuning.name, "--load", "here")
    assert role.status == 0, role.err
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(account(tuning, folder / "account", role.out)))
        options = ("--backend", "kubernetes", "--namespace", tuning.name, "--load", "here", "--tracking-uri", "none")
        done = tune("run", space, *options, "--trials", "1", "--confirm", "0")
    assert done.status == 0, done.err
    assert "may not" not in done.err.replace("may not list nodes", "").replace("may not get nodes", "")
    return folder


@pytest.fixture
def apply(studied: Path, serving: Namespace, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    shutil.rmtree(studied / "studies" / "toy" / "applied", ignore_errors=True)
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    return lambda *options: Tune(studied)("apply", "toy", "--namespace", serving.name, *options)


def saved(folder: Path) -> str:
    (path,) = folder.glob("studies/toy/applied/*/before.yaml")
    assert path.stat().st_mode & 0o077 == 0
    return path.read_text()


def of_yesterday(studied: Path, serving: Namespace) -> None:
    """A toy that kubectl applied, with fewer workers' memory and a label of its own."""
    manifest = (studied / "toy" / "deployment.yaml").read_text().replace("64Mi", "80Mi")
    serving.kubectl("apply", "-f", "-", stdin=manifest)
    serving.kubectl("label", "deployment/toy", "team=ours")
    serving.kubectl("rollout", "status", "deployment/toy", "--timeout=60s")


def test_it_is_shown_and_asked_for_before_anything_changes(
    apply: Callable[..., Done], studied: Path, serving: Namespace
) -> None:
    done = apply()
    assert done.status == 2
    assert "--yes" in done.err
    assert "--- Deployment toy (not there yet)" in done.out
    assert "+          value: '1'" in done.out
    assert serving.live("deployment/toy") is None
    assert not (studied / "studies" / "toy" / "applied").exists()


def test_what_was_not_there_is_applied_measured_and_kept(
    apply: Callable[..., Done], studied: Path, serving: Namespace
) -> None:
    done = apply("--yes")
    assert done.status == 0, done.out + done.err
    live = serving.live("deployment/toy")
    assert live is not None
    notes = live["metadata"]["annotations"]
    assert notes["tuner.dev/study"] == "toy"
    assert "by tuner" in notes["tuner.dev/applied"]
    assert "latency_p90" in notes["tuner.dev/verified"]
    assert live["status"]["readyReplicas"] == 1
    assert serving.live("service/toy") is not None
    assert "Deployment toy was not there: delete it" in saved(studied)
    again = apply("--yes", "--no-measure", "--json")
    assert again.status == 0, again.err
    assert again.json["changed"] == []
    assert again.json["before"] is None


def test_a_field_of_another_manager_is_named_and_left(
    apply: Callable[..., Done], studied: Path, serving: Namespace
) -> None:
    of_yesterday(studied, serving)
    before = serving.wanted()
    done = apply("--yes")
    assert done.status == 2
    assert "resources.limits.memory of Deployment toy is set to another value by kubectl-client-side-apply" in done.err
    assert "--force-conflicts" in done.err
    assert serving.wanted() == before


def test_what_answers_wrongly_is_rolled_back_to_the_last_field_and_owner(
    apply: Callable[..., Done], studied: Path, serving: Namespace
) -> None:
    of_yesterday(studied, serving)
    before = serving.wanted()
    answers = studied / "studies" / "toy" / "answers.json"
    right = answers.read_bytes()
    answers.write_text(json.dumps(["something else"]))
    try:
        done = apply("--yes", "--force-conflicts")
    finally:
        answers.write_bytes(right)
    assert done.status == 1, done.out + done.err
    assert "rolled back: WrongAnswer" in done.out, done.out
    assert "Deployment toy is as it was before" in done.out
    assert "ready again after" in done.out
    assert "-            memory: 80Mi\n+            memory: 64Mi" in done.out
    assert serving.wanted() == before
    assert "memory: 80Mi" in saved(studied)


def test_a_rollout_that_fails_is_told_at_once_and_taken_away_again(
    apply: Callable[..., Done], serving: Namespace
) -> None:
    serving.kubectl("create", "quota", "small", "--hard=limits.memory=1Mi")
    done = apply("--yes")
    assert done.status == 1, done.out + done.err
    assert "rolled back: QuotaExceeded" in done.out
    assert "Deployment toy was deleted: there was none before" in done.out
    assert serving.live("deployment/toy") is None
    assert serving.live("service/toy") is None


def test_what_the_cluster_refuses_changes_nothing(apply: Callable[..., Done], cluster: Cluster) -> None:
    done = apply("--context", "nowhere", "--yes")
    assert done.status == 3
    assert "nowhere" in done.err


def test_an_interrupt_in_the_middle_of_the_rollout_rolls_back(
    apply: Callable[..., Done], studied: Path, serving: Namespace
) -> None:
    of_yesterday(studied, serving)
    before = serving.wanted()
    running = Tune(studied).start("apply", "toy", "--namespace", serving.name, "--yes", "--force-conflicts")
    _, rest = interrupt(running, "wait for the rollout")
    assert running.returncode == 130, rest
    assert "Deployment toy is as it was before" in rest
    assert serving.wanted() == before


def test_with_the_role_of_rbac_it_is_applied_and_a_missing_right_is_named_beforehand(
    apply: Callable[..., Done], studied: Path, serving: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = Tune(studied)("rbac", studied / "toy", "--namespace", serving.name, "--apply-rights", "--load", "here").out
    monkeypatch.setenv("KUBECONFIG", str(account(serving, tmp_path / "account", role)))
    done = apply("--yes")
    assert done.status == 0, done.err
    serving.kubectl(
        "apply", "-f", "-", stdin=role.replace("verbs: [get, create, patch, delete, list", "verbs: [get, list")
    )
    done = apply("--yes")
    assert done.status == 2
    for verb in ("create", "patch", "delete"):
        assert f"you may not {verb} deployments.apps in namespace {serving.name}" in done.err
    assert "tune rbac --apply-rights" in done.err


def test_every_verb_of_the_role_that_is_missing_is_named_before_a_study_starts(
    studied: Path, serving: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    space, problems = read_space(studied / "toy" / "space.yaml")
    assert space is not None, problems
    text = space.manifest.read_text()
    pods = pods_of(space, Rendered(text=text, objects=load_all(text)))
    needed = [(right, verb) for right in rights([DEPLOYMENTS]) if right.needed for verb in right.verbs]
    role = Tune(studied)("rbac", studied / "toy", "--namespace", serving.name, "--load", "here").out
    kubeconfig = account(serving, tmp_path / "account", role)
    rules = next(document for document in yaml.safe_load_all(role) if document["kind"] == "Role")["rules"]
    api = Api(namespace=serving.name, kubeconfig=kubeconfig)
    backend = KubernetesBackend(space, namespace=serving.name, kubeconfig=kubeconfig)
    assert backend.check(pods) == ()
    roles = ApiResource(api_version="rbac.authorization.k8s.io/v1", kind="Role", plural="roles", namespaced=True)
    owner = Api(namespace=serving.name, kubeconfig=cluster.kubeconfig)
    for right, verb in needed:
        owner.merge(roles, "tuner-trials", {"rules": less(rules, right, verb)})
        while (right, verb) not in missing(api, [right]):
            pass  # the API server hears of it a moment later
        named = [problem for problem in backend.check(pods) if f"may not {verb} {right} " in problem.message]
        assert named, (verb, right)
        assert serving.name in named[0].message
        assert "tune rbac" in named[0].fix


def less(rules: list[dict[str, Any]], right: Right, verb: str) -> list[dict[str, Any]]:
    """The rules without one verb on one resource."""
    resource = ([right.group], [right.resource])
    reduced = [
        {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}
        if (rule["apiGroups"], rule["resources"]) == resource
        else rule
        for rule in rules
    ]
    return [rule for rule in reduced if rule["verbs"]]
