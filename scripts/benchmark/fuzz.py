"""Mutated search spaces and manifests against `tune init` and `tune check`; see the script."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bounded import DIED, HUNG, each
from corpus import Nowhere, tune

from tuner.cli.status import BUG
from tuner.manifests.documents import load_all
from tuner.targets import inputs

ROOT = Path(__file__).parents[2]
LONGEST = 2000
"""Characters of one message."""
ODD = (
    *(
        "",
        "~",
        "null",
        "0",
        "-1",
        "1e400",
        "1e-400",
        ".inf",
        ".nan",
        "1Ki",
        "99999999999999999999",
        "0555",
        "yes",
        "12:30",
    ),
    *(
        "[]",
        "{}",
        "[[[]]]",
        "{a: {b: [1]}}",
        "''",
        '"\\u0000"',
        '"\\ud800"',
        "'é\u202e'",
        "x" * 3000,
        "a" * 300,
        "*x",
        "&x y",
    ),
    *(
        "!!binary aGk=",
        "!foo x",
        "|",
        ">-",
        "?",
        "- a",
        "{{ .Values.x }}",
        "${PORT}",
        "$(nproc)",
        "<<",
        "=",
        "@x",
        "%",
        "`",
    ),
    *(
        "500m",
        "2000Mi",
        "64Ei",
        "1/s",
        "10ms",
        "1h",
        "0.1%",
        "http",
        "path:/spec",
        "path:~",
        "args/",
        "env/",
        "replicas",
    ),
    *(
        "workers <= 1",
        "1 if x else 2",
        "__import__('os')",
        "(" * 300,
        "-" * 300,
        "9" * 500,
        "\t",
        "\x07",
        "\u2028",
        "\ufeff",
    ),
)
SNIPPETS = (*"{}[]:,-#&*!|>'\"% \n\t0a\\~<=?@", "\n  ", "\n", "---\n", "- ", "  x: 1\n", "\r\n", "\r", ": ", "<<: *x\n")
_VALUE = re.compile(r"(?<=: )[^\n{}\[\],#]+|(?<=- )[^\n:{}\[\],#]+")
_KEY = re.compile(r"[\w./-]+(?=:)")


@dataclass(frozen=True)
class Base:
    """A folder's worth of input: what `tune check` reads, by name."""

    name: str
    manifest: str
    space: str
    files: tuple[Path, ...]


SCRIPTED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, annotations: {note: "it's"}}
spec:
  replicas: 1
  selector: {matchLabels: &labels {app: shop}}
  template:
    metadata: {labels: *labels}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
      - name: rank
        image: example/rank:1
        command: [sh, -c]
        args:
        - |
          export THREADS=2
          exec gunicorn --workers 2 --threads $THREADS \\
            --bind :8080 app:app
        env: [{name: OMP_NUM_THREADS, value: "2"}, {name: KEY, valueFrom: {secretKeyRef: {name: k, key: k}}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 3}
        resources: &sizes {requests: {cpu: 500m, memory: 256Mi}, limits: {cpu: "2", memory: 1Gi}}
        volumeMounts: [{name: scripts, mountPath: /scripts}]
      - {name: log, image: "example/log:1", resources: {<<: *sizes}}
      volumes: [{name: scripts, configMap: {name: scripts, defaultMode: 0555}}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: other}
spec: {scaleTargetRef: {kind: Deployment, name: other}, maxReplicas: 3}
"""
TUNED = """\
name: shop
manifest: manifest.yaml
container: rank
parameters:
  workers: {int: [1, 4], set: args/--workers}
  threads: {int: [1, 8], log: true, set: env/OMP_NUM_THREADS}
  replicas: {int: [1, 2], set: replicas}
  cpu: {choices: [500m, "1", "2"], set: [limits/cpu, requests/cpu]}
  keep: {float: [0.5, 2.0], step: 0.5, set: args/--keep-alive, when: {workers: [2, 3]}}
  mode: {choices: [a, b], set: "path:Service/shop:/spec/ports/0/name"}
rules: [workers * threads <= 8, workers >= replicas]
workload:
  protocol: http
  path: /predict
  request: request.json
  rate: 100/s
  duration: {least: 3s, most: 30s}
  warm_up: 500ms
slo: {latency_p99: 100ms, error_ratio: 0.1%}
objectives: {throughput: maximize, cost: minimize}
budget: {trials: 20, time: 30m, confirm: 2}
prices: {core_hour: 0.04}
local: {command: [python3, server.py], env: {A: "1"}}
"""


def bases() -> list[Base]:
    """The ready search spaces, one whose server stands in a script, and all of them as JSON."""
    found = []
    for folder in sorted((ROOT / "search_spaces").iterdir()):
        space = folder / "space.yaml"
        if not space.is_file():
            continue
        named = re.search(r"^manifest: *(\S+)", space.read_text(encoding="utf-8"), re.MULTILINE)
        manifest = folder / named[1] if named else None
        if manifest is not None and manifest.is_file():
            shared = (folder, ROOT / "search_spaces" / "iris")
            others = [path for one in shared for path in one.iterdir() if path.suffix in (".json", ".lock")]
            found.append(
                Base(
                    name=folder.name,
                    manifest=manifest.read_text(encoding="utf-8"),
                    space=space.read_text(encoding="utf-8")
                    .replace(named[1] if named else "", "manifest.yaml", 1)
                    .replace("../iris/", ""),
                    files=tuple(path for path in others if path.stat().st_size < 1 << 20),
                )
            )
    body = ROOT / "search_spaces" / "iris" / "request.json"
    found.append(Base(name="shop", manifest=SCRIPTED, space=TUNED, files=(body,)))
    found += [replace(base, name=f"{base.name} as JSON", manifest=_as_json(base.manifest)) for base in found]
    return found


def _as_json(manifest: str) -> str:
    items = load_all(manifest)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items} if len(items) > 1 else items[0], indent=2)


def mutated(text: str, chance: random.Random) -> str:
    """One to four small changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        text = chance.choice((_value, _value, _value, _key, _lines, _lines, _characters))(text, chance)
    return text


def _value(text: str, chance: random.Random) -> str:
    return _at(text, list(_VALUE.finditer(text)), chance.choice(ODD), chance)


def _key(text: str, chance: random.Random) -> str:
    keys = list(_KEY.finditer(text))
    new = chance.choice([*ODD, *(found[0] for found in keys)])
    return _at(text, keys, new, chance)


def _at(text: str, places: list[re.Match[str]], new: str, chance: random.Random) -> str:
    if not places:
        return text + new
    place = chance.choice(places)
    return text[: place.start()] + new + text[place.end() :]


def _lines(text: str, chance: random.Random) -> str:
    """Some lines removed, doubled, moved, or indented otherwise."""
    lines = text.splitlines(keepends=True) or [""]
    first = chance.randrange(len(lines))
    some = lines[first : first + chance.choice((1, 1, 2, 5))]
    rest = lines[:first] + lines[first + len(some) :]
    what = chance.randrange(5)
    if what == 0:
        return "".join(rest)
    if what == 1:
        return "".join(lines[:first] + some + lines[first:])
    if what == 2:
        place = chance.randrange(len(rest) + 1)
        return "".join(rest[:place] + some + rest[place:])
    indent = chance.choice(("  ", "    ", "\t", "- "))
    changed = [indent + line if what == 3 else line.removeprefix("  ") for line in some]
    return "".join(lines[:first] + changed + lines[first + len(some) :])


def _characters(text: str, chance: random.Random) -> str:
    start = chance.randrange(len(text) + 1)
    return text[:start] + chance.choice(SNIPPETS) + text[start + chance.choice((0, 0, 1, 3, 20)) :]


def tried(number: int, *, seed: int, work: Path, found: list[Base]) -> list[str]:
    """What went wrong with the mutation of this number; empty: nothing."""
    place = work / str(number)
    write(number, seed=seed, place=place, found=found)
    wrong = []
    for arguments in (
        ("init", str(place / "manifest.yaml"), "-o", str(place / "first.yaml")),
        ("check", str(place / "first.yaml")),
        ("check", str(place / "space.yaml")),
    ):
        if arguments[0] == "check" and not Path(arguments[1]).exists():
            continue
        status, said = tune(*arguments)
        if status == BUG:
            lines = said.splitlines()
            last = next((line for line in reversed(lines[:-1]) if line.strip()), "")
            wrong.append(f"{arguments[0]}: exit {BUG}: {last[:200]}")
        longest = max(map(len, said.splitlines()), default=0)
        if longest > LONGEST and status != BUG:
            wrong.append(f"{arguments[0]}: a message of {longest:,} characters")
    if not wrong:
        shutil.rmtree(place)
    return wrong


def write(number: int, *, seed: int, place: Path, found: list[Base]) -> None:
    """The input of this number: the space, the manifest or both are mutated."""
    chance = random.Random(f"{seed} {number}")
    base = chance.choice(found)
    what = chance.choice(("space", "manifest", "manifest", "both"))
    place.mkdir(parents=True)
    for file in base.files:
        shutil.copyfile(file, place / file.name)
    (place / "model").mkdir()
    for name, text in (("manifest", base.manifest), ("space", base.space)):
        changed = mutated(text, chance) if what in (name, "both") else text
        (place / f"{name}.yaml").write_bytes(changed.encode("utf-8", "surrogatepass"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/fuzz", description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that went wrong")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=float, default=30.0, metavar="SECONDS", help="for each input")
    asked = parser.parse_args()
    inputs.backend_of = lambda *_, **__: Nowhere()  # type: ignore[assignment,return-value]
    found, told = bases(), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="tuner-fuzz-") as work:
        call = partial(tried, seed=asked.seed, work=Path(work), found=found)
        for number, answer in each(call, range(asked.number), processes=asked.processes, limit_s=asked.limit):
            wrong = [answer] if answer in (HUNG, DIED) else answer
            told.update(wrong)
            if wrong and asked.keep is not None:
                write(number, seed=asked.seed, place=asked.keep / str(number), found=found)
            for one in wrong:
                print(f"{number}: {one}", flush=True)
    print(f"{asked.number} inputs of seed {asked.seed}: {sum(told.values()) or 'nothing'} went wrong")
    for one, times in told.most_common():
        print(f"  {times}  {one}")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
