"""The steps of a Workflow, each a command of `tune`.

The study's own exit status does not decide: 1 says that nothing met the SLO, which is a result. The step after it, the
report, fails where there is no result, and with it the Workflow; else it says the verdict, and the Workflow goes on by that.
"""

from __future__ import annotations

from typing import Any

from tuner.argo.pods import OUTPUTS, grace_patch
from tuner.argo.settings import Settings
from tuner.in_cluster.inputs import Inputs
from tuner.in_cluster.pods import container

_STUDY = "{{workflow.name}}"
"""The study has the Workflow's name: a pod that comes in place of another finds it, another run has another."""
_BETTER = "'{{steps.report.outputs.parameters.verdict}}' == 'better'"
_AGAIN = 'lastRetry.status == "Error" || lastRetry.exitCode in ["3", "130", "137", "143"]'
"""Lost pods and nodes, failures of the machine, the cluster or a store, and kills; not bad input (2) or a bug (70)."""
_PARAMETERS = ("verdict", "trial", "gain", "numbers", "manifest")
_FILES = (
    ("best", "manifest", "best.yaml"),
    ("page", "report.html", "report.html"),
    ("data", "report.json", "report.json"),
)
"""Artifacts, the files they are, and what those are called where they are kept."""


def entry(settings: Settings) -> dict[str, Any]:
    """The template that has them in order."""
    whatever = {"continueOn": {"failed": True, "error": True}}
    study: list[dict[str, Any]] = [{"name": "study", "template": "study", **whatever}]
    if settings.workers:
        sequence = {"withSequence": {"count": str(settings.workers)}}
        study.append({"name": "worker", "template": "worker", **whatever, **sequence})
    steps: list[list[dict[str, Any]]] = [
        [{"name": "check", "template": "check"}],
        study,
        [{"name": "report", "template": "report"}],
    ]
    if settings.apply_to is not None:
        if settings.approve:
            steps.append([{"name": "approve", "template": "approve", "when": _BETTER}])
        steps.append([{"name": "apply", "template": "apply", "when": _BETTER}])
    told = [{"name": name, "valueFrom": {"parameter": _output(name)}} for name in _PARAMETERS]
    return {"name": "tune", "steps": steps, "outputs": {"parameters": told}}


def templates(settings: Settings, inputs: Inputs) -> list[dict[str, Any]]:
    found = [entry(settings), _check(settings, inputs), _study(settings, inputs), _report(settings)]
    found += [_worker(settings)] if settings.workers else []
    if settings.apply_to is not None:
        found += [{"name": "approve", "suspend": {}}] if settings.approve else []
        found.append(_apply(settings, settings.apply_to))
    return found


def _output(name: str) -> str:
    return f"{{{{steps.report.outputs.parameters.{name}}}}}"


def _check(settings: Settings, inputs: Inputs) -> dict[str, Any]:
    words = ("check", inputs.space, "--backend", "kubernetes", "--namespace", settings.namespace)
    return {
        "name": "check",
        "serviceAccountName": settings.accounts["study"],
        "retryStrategy": _retries(3),
        "container": _runs(settings, *words, cpu="100m", memory="256Mi"),
    }


def _study(settings: Settings, inputs: Inputs) -> dict[str, Any]:
    words = (
        *("run", inputs.space, "--name", _STUDY, "--resume", *_studies(settings)),
        *(("--workers", "--parallel", str(settings.workers)) if settings.workers else ()),
        *("--backend", "kubernetes", "--namespace", settings.namespace),
        *("--tracking-uri", settings.tracking_uri or "none", "--log-format", "plain"),
        *settings.run_options,
    )
    return {
        "name": "study",
        "serviceAccountName": settings.accounts["study"],
        "metadata": {
            "annotations": {
                "workflows.argoproj.io/progress": "0/100",
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            }
        },
        "retryStrategy": _retries(10),
        "podSpecPatch": grace_patch(),
        "container": _runs(settings, *words, cpu="500m", memory="512Mi"),
    }


def _studies(settings: Settings) -> tuple[str, ...]:
    """Of a database the Secret tells, as a variable."""
    return () if settings.workers else ("--studies", settings.work)


def _worker(settings: Settings) -> dict[str, Any]:
    return {
        "name": "worker",
        "serviceAccountName": settings.accounts["study"],
        "retryStrategy": _retries(10),
        "podSpecPatch": grace_patch(),
        "container": _runs(settings, "worker", _STUDY, cpu="500m", memory="512Mi"),
    }


def _report(settings: Settings) -> dict[str, Any]:
    words = ("report", _STUDY, *_studies(settings), "--outputs", OUTPUTS)
    secret = settings.secret if settings.workers else None  # else it asks nobody
    outputs: dict[str, Any] = {
        "parameters": [
            {"name": name, "globalName": name, "valueFrom": {"path": f"{OUTPUTS}/{name}", "default": ""}}
            for name in _PARAMETERS
        ]
    }
    if settings.artifacts is not None:
        folder = [] if settings.workers else [_folder(settings.artifacts, settings.work)]
        outputs["artifacts"] = [*_files(settings.artifacts), *folder]
    return {
        "name": "report",
        "serviceAccountName": settings.accounts["report"],
        "container": container(settings.image, *words, cpu="100m", memory="256Mi", secret=secret),
        "outputs": outputs,
    }


def _files(key: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "path": f"{OUTPUTS}/{file}", "archive": {"none": {}}, "s3": {"key": f"{key}/{_STUDY}/{kept}"}}
        for name, file, kept in _FILES
    ]


def _folder(key: str, work: str) -> dict[str, Any]:
    """The study whole, from which `tune show`, `export` and `resume` go on."""
    return {"name": "study", "path": f"{work}/{_STUDY}", "s3": {"key": f"{key}/{_STUDY}/study.tgz"}}


def _apply(settings: Settings, namespace: str) -> dict[str, Any]:
    words = ("apply", _STUDY, *_studies(settings), "--namespace", namespace, "--yes")
    return {
        "name": "apply",
        "serviceAccountName": settings.accounts["apply"],
        "podSpecPatch": grace_patch(),
        "container": _runs(settings, *words, cpu="250m", memory="256Mi"),
    }


def _runs(settings: Settings, *words: str, cpu: str, memory: str) -> dict[str, Any]:
    """What sends requests, which may need a token, or writes to a store."""
    return container(settings.image, *words, cpu=cpu, memory=memory, secret=settings.secret)


def _retries(limit: int) -> dict[str, Any]:
    backoff = {"duration": "15s", "factor": "2", "cap": "5m"}
    return {"limit": str(limit), "retryPolicy": "Always", "expression": _AGAIN, "backoff": backoff}
