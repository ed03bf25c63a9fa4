"""Which published manifests go through `tune init` and `tune check`, and why the others do not; see the script."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from bounded import DIED, HUNG, each
from table import markdown

from tuner.manifests.model import PodSet
from tuner.targets import inputs

SERVED = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Rollout", "DeploymentConfig", "LeaderWorkerSet"}
    | {"RayService", "SeldonDeployment", "InferenceService", "LLMInferenceService"}
)
"""Kinds whose pods answer requests; a Service of Knative's and a Model of Seldon's are told by their group."""
_OTHER_SERVED = re.compile(r"serving\.knative\.dev/|mlops\.seldon\.io/")
_KIND = re.compile(r"""(?:^|[{,])[ \t-]*["']?kind["']?[ \t]*:[ \t]*["']?(\w+)""", re.MULTILINE)
_GROUP = re.compile(r"""(?:^|[{,])[ \t-]*["']?apiVersion["']?[ \t]*:[ \t]*["']?([\w./-]+)""", re.MULTILINE)
_RUNS = re.compile(r"(?i)\b(image|modelUri|storageUri|implementation|modelFormat|model)\b[\"']?\s*:")
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Fate:
    """`sort`: what the file is; `stage`: where it ended; `reason`: the first problem, without names and numbers."""

    file: str
    sort: str
    stage: str
    reason: str = ""
    text: str = ""
    """All that was printed of its problems."""


def sort_of(text: str) -> str:
    """What a file is, by its own words, without asking the tuner."""
    kinds = set(_KIND.findall(text))
    if not kinds or not _GROUP.search(text):
        return "no manifest"
    if re.search(r"\{\{[^}]*\}\}|\{\{-", text):
        return "template"
    if kinds & {"Kustomization", "Component", "CustomResourceDefinition"} and not kinds & SERVED:
        return "no workload"
    if not (kinds & SERVED or _OTHER_SERVED.search(" ".join(_GROUP.findall(text)))):
        return "no workload"
    selected = kinds & {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"} != kinds & SERVED or (
        re.search(r"\bselector\b", text)
    )
    if not _RUNS.search(text) or not selected:
        return "patch"
    return "servable"


class Nowhere:
    """A backend of no machine: the space and the manifest are judged, not what this machine has."""

    name = "nowhere"

    def check(self, _pods: PodSet) -> tuple[()]:
        return ()

    def infeasible(self, _pods: PodSet) -> None:
        return None


def fate(file: Path, *, root: Path, work: Path, spaces: Path | None) -> Fate:
    """What becomes of one manifest: `tune init` and then `tune check`, in a folder of its own."""
    relative = str(file.relative_to(root))
    text = file.read_bytes().decode("utf-8", "replace")
    sort = sort_of(text)
    if sort in ("no manifest", "no workload"):
        return Fate(relative, sort, "not tried")
    with tempfile.TemporaryDirectory(dir=work) as place:
        manifest = Path(place, file.name)
        manifest.write_bytes(file.read_bytes())
        space = Path(place, "space.yaml")
        for stage, arguments in (("init", [str(manifest), "-o", str(space)]), ("check", [str(space)])):
            status, said = _tune(stage, *arguments)
            if stage == "init" and spaces is not None and space.exists():
                _keep(space, spaces / f"{relative}.space.yaml")
            if status != 0:
                said = said.replace(place + "/", "")
                return Fate(relative, sort, stage if status == 2 else f"{stage}: exit {status}", _reason(said), said)
    return Fate(relative, sort, "passed")


def _tune(*arguments: str) -> tuple[int, str]:
    """The command in this process: its exit status and what it said of problems."""
    from tuner.cli import main

    sys.argv = ["tune", *arguments]
    said = io.StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            main()
    except SystemExit as end:
        return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


def _keep(space: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(space, to)


def _reason(said: str) -> str:
    """The first problem's message, so that equal mistakes of different files count together."""
    lines = said.splitlines() or [""]
    if "this is a bug in tuner" in said:
        return next((line for line in reversed(lines[:-1]) if line.strip()), "")[:120]
    message = re.sub(r"^\S+?(:\d+)?: ", "", lines[0]).partition("; ")[0]
    message = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", message)
    message = re.sub(r"\b\S*\d\S*", "N", message)
    message = re.sub(
        r"\b(Deployment|StatefulSet|SeldonDeployment|InferenceService|container|env) \S+", r"\1 …", message
    )
    return re.sub(r"\([^)]*\)", "(…)", message)[:120]


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _tables(fates: Iterable[Fate]) -> str:
    by_folder: dict[str, list[Fate]] = {}
    for one in fates:
        folder = one.file.partition("/")[0] if "/" in one.file else "."
        by_folder.setdefault(folder, []).append(one)
    rows = [_row(folder, here) for folder, here in sorted(by_folder.items())]
    everything = [one for here in by_folder.values() for one in here]
    rows.append(_row("**all**", everything))
    head = ("folder", "files", "servable", "init refused", "check refused", "passed", "share", "templates", "patches")
    parts = [markdown(head, rows)]
    for sort in ("servable", "template", "patch"):
        refused = [one for one in everything if one.sort == sort and one.stage not in ("passed", "not tried")]
        reasons = Counter((one.stage, one.reason) for one in refused)
        example = {(one.stage, one.reason): one.file for one in reversed(refused)}
        if reasons:
            parts.append(f"Why a {sort} is refused:")
            rows = [(f"{s}: {reason}", str(n), example[s, reason]) for (s, reason), n in reasons.most_common(40)]
            parts.append(markdown(("reason", "files", "for example"), rows))
    return "\n\n".join(parts)


def _row(name: str, fates: list[Fate]) -> tuple[str, ...]:
    servable = [one for one in fates if one.sort == "servable"]
    passed = sum(one.stage == "passed" for one in servable)
    counts = (
        len(fates),
        len(servable),
        sum(one.stage.startswith("init") for one in servable),
        sum(one.stage.startswith("check") for one in servable),
        passed,
    )
    share = f"{passed / len(servable):.1%}" if servable else ""
    others = (sum(one.sort == sort for one in fates) for sort in ("template", "patch"))
    return (name, *map(str, counts), share, *map(str, others))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/corpus", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spaces", type=Path, help="folder to keep what init wrote, to be read")
    parser.add_argument("--fates", type=Path, help="file for a line of JSON for each file of the corpus")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=float, default=30.0, metavar="SECONDS", help="for each file")
    asked = parser.parse_args()
    inputs.backend_of = lambda *_, **__: Nowhere()  # type: ignore[assignment,return-value]
    if not asked.folder.is_dir():
        parser.error(f"{asked.folder} is no folder")
    fates = []
    with tempfile.TemporaryDirectory(prefix="tuner-corpus-") as work:
        call = partial(fate, root=asked.folder, work=Path(work), spaces=asked.spaces)
        for file, found in each(call, _files(asked.folder), processes=asked.processes, limit_s=asked.limit):
            relative = str(file.relative_to(asked.folder))
            fates.append(Fate(relative, "servable", found, found) if found in (HUNG, DIED) else found)
    fates.sort(key=lambda one: one.file)
    if asked.fates is not None:
        asked.fates.write_text("".join(json.dumps(asdict(one)) + "\n" for one in fates), encoding="utf-8")
    print(_tables(fates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
