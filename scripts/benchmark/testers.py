"""Other load testers: one run of each against a URL, what it cost them, and the latencies they tell.

wrk and hey send in a closed loop: a connection sends when it has its answer (hey at most so many a second). k6 does
that too, and sends at a constant rate with its constant-arrival-rate executor.
"""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tuner.load.model import LoadWindow, Request, Target
from tuner.load.process.local import LocalGenerator
from tuner.measure.samples import Samples

ROOT = Path(__file__).parents[2]
QUANTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}
BODY = '{"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}}'
PATH = "/api/v1.0/predictions"

_WRK = f"""
wrk.method = 'POST'
wrk.body = '{BODY}'
wrk.headers['Content-Type'] = 'application/json'
done = function(summary, latency, requests)
    local told = {{}}
    for _, level in ipairs({{{", ".join(map(str, QUANTILES.values()))}}}) do
        table.insert(told, string.format('%.0f', latency:percentile(level)))
    end
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format('TOLD %d %d %d %d %s\\n', summary.requests, summary.duration, failed, latency.max, table.concat(told, ' ')))
end
"""
_K6 = """
import http from 'k6/http';
export const options = {
  discardResponseBodies: true,
  summaryTrendStats: [LEVELS, 'max'],
  scenarios: { load: JSON.parse(__ENV.SCENARIO) },
};
const headers = { headers: { 'Content-Type': 'application/json' } };
export default function () { http.post(__ENV.URL, 'BODY', headers); }
export function handleSummary(data) { return { stdout: JSON.stringify(data.metrics) }; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    requests: int
    failed: int
    seconds: float
    cpu_s: float
    """Of the whole process; its start-up, as a run of one request shows it, is taken off."""
    latency_s: dict[str, float]
    """By quantile (`QUANTILES`), and ``max``."""


Bind = Callable[[], None]
"""Called in the tester's process before it starts."""


def missing() -> dict[str, str]:
    """The testers that cannot be had here, and why."""
    why = {name: f"not on PATH (Debian: apt-get install {name})" for name in ("wrk", "hey") if not shutil.which(name)}
    try:
        _k6()
    except subprocess.CalledProcessError:
        why["k6"] = "its package could not be fetched"
    return why


def versions() -> dict[str, str]:
    """Of those that can be had."""
    absent = missing()
    found = {}
    if "wrk" not in absent:
        told = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
        found["wrk"] = re.sub(r".*?(\d+(\.\d+)+).*", r"\1", told.split()[1])
    if "k6" not in absent:
        told = subprocess.run([_k6(), "version"], capture_output=True, text=True, check=True).stdout
        found["k6"] = told.split()[1].removeprefix("v")
    if "hey" not in absent:
        found["hey"] = _debian_version("hey") or "(version unknown)"
    return found


def wrk(url: str, connections: int, seconds: float, bind: Bind | None = None) -> Run:
    """Closed loop. wrk corrects its latencies for what a closed loop omits: for each one longer than the mean it adds
    those that a client of that mean pace would have seen meanwhile, which also lengthens latencies that merely vary."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "post.lua")
        script.write_text(_WRK)
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:.0f}s",
            "--timeout=30s",
            "-s",
            str(script),
            url + PATH,
        ]
        output, cpu_s = _run(command, bind)
    told = re.search(r"^TOLD (.+)$", output, re.MULTILINE)
    if told is None:
        sys.exit(f"wrk failed: {output}")
    requests, duration, failed, longest, *quantiles = map(int, told[1].split())
    return Run(
        requests=requests,
        failed=failed,
        seconds=duration / 1e6,
        cpu_s=cpu_s,
        latency_s={name: value / 1e6 for name, value in zip((*QUANTILES, "max"), (*quantiles, longest), strict=True)},
    )


def hey(url: str, connections: int, seconds: float, bind: Bind | None = None, rate: float | None = None) -> Run:
    """Closed loop; `rate`: at most so many requests a second, each connection its part of them."""
    limit = [] if rate is None else ["-q", f"{rate / connections:g}"]
    common = ["-z", f"{seconds:.0f}s", "-c", str(connections), *limit, "-cpus", "1", "-t", "30", "-m", "POST"]
    command = ["hey", *common, "-T", "application/json", "-d", BODY, "-o", "csv", url + PATH]
    output, cpu_s = _run(command, bind)
    rows = [row for row in csv.DictReader(output.splitlines()) if row["response-time"]]
    latency = np.asarray([float(row["response-time"]) for row in rows])
    return Run(
        requests=len(rows),
        failed=sum(row["status-code"] != "200" for row in rows),
        seconds=max(float(row["offset"]) + float(row["response-time"]) for row in rows),
        cpu_s=cpu_s,
        latency_s={
            **{name: float(np.percentile(latency, level)) for name, level in QUANTILES.items()},
            "max": float(latency.max()),
        },
    )


def k6(url: str, connections: int, seconds: float, bind: Bind | None = None, rate: float | None = None) -> Run:
    """Closed loop; `rate`: just so many requests are begun a second, by as many users as that takes, `connections` at
    most; those begun late for want of users are missing from what k6 tells, and count as failed here."""
    if rate is None:
        scenario: dict[str, object] = {"executor": "constant-vus", "vus": connections, "duration": f"{seconds:g}s"}
    else:
        scenario = {"executor": "constant-arrival-rate", "rate": rate, "timeUnit": "1s", "duration": f"{seconds:g}s"}
        scenario |= {"preAllocatedVUs": connections, "maxVUs": connections}
    told, cpu_s = _k6_run(url, scenario, bind)
    start_s = _k6_start(url)
    duration = told["http_req_duration"]["values"]
    dropped = told.get("dropped_iterations", {"values": {"count": 0}})["values"]["count"]
    return Run(
        requests=int(told["http_reqs"]["values"]["count"]),
        failed=int(told["http_req_failed"]["values"]["passes"] + dropped),
        seconds=told["http_reqs"]["values"]["count"] / told["http_reqs"]["values"]["rate"],
        cpu_s=cpu_s - start_s,
        latency_s={
            **{name: duration[f"p({level:g})"] / 1e3 for name, level in QUANTILES.items()},
            "max": duration["max"] / 1e3,
        },
    )


def ours(generator: LocalGenerator, stage: LoadWindow) -> Run:
    samples = generator.run(stage)
    return Run(
        requests=len(samples),
        failed=int((~samples.good).sum()),
        seconds=samples.window_s,
        cpu_s=samples.generator_cpu_s,
        latency_s=latencies(samples),
    )


def latencies(samples: Samples) -> dict[str, float]:
    latency = (samples.finished_s - samples.scheduled_s)[samples.status == 200]
    found = {name: float(np.percentile(latency, level)) for name, level in QUANTILES.items()}
    return {**found, "max": float(latency.max())}


def target(url: str, protocol: str = "http", cpus: tuple[int, ...] = ()) -> Target:
    headers = {"Content-Type": "application/json"}
    request = Request(method="POST", path=PATH, headers=headers, body=BODY.encode())
    return Target(urls=(url,), protocol=protocol, requests=(request,), cpus=cpus)


@contextmanager
def server(*options: str) -> Iterator[str]:
    """The URL of a `tests/servers/answering.py` with these options."""
    command = [sys.executable, str(ROOT / "tests/servers/answering.py"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.kill()


def like(pid: int) -> Bind:
    """To run on the CPUs and at the priority of this process."""

    def bind() -> None:
        os.sched_setaffinity(0, os.sched_getaffinity(pid))
        os.sched_setscheduler(0, os.sched_getscheduler(pid), os.sched_getparam(pid))

    return bind


def _run(command: list[str], bind: Bind | None) -> tuple[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=bind)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command[0]} failed with status {done.returncode}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@cache
def _k6() -> str:
    folder = subprocess.run([ROOT / "scripts/benchmark/tool", "k6"], stdout=subprocess.PIPE, text=True, check=True)
    return str(Path(folder.stdout.strip(), "k6"))


def _k6_run(
    url: str, scenario: dict[str, object], bind: Bind | None
) -> tuple[dict[str, dict[str, dict[str, float]]], float]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "load.js")
        levels = ", ".join(f"'p({level:g})'" for level in QUANTILES.values())
        script.write_text(_K6.replace("LEVELS", levels).replace("BODY", BODY))
        command = [_k6(), "run", "--quiet", "--no-usage-report", "--address=localhost:0"]
        command += ["-e", f"URL={url + PATH}", "-e", f"SCENARIO={json.dumps(scenario)}", str(script)]
        output, cpu_s = _run(command, bind)
    return json.loads(output), cpu_s


@cache
def _k6_start(url: str) -> float:
    once: dict[str, object] = {"executor": "shared-iterations", "vus": 1, "iterations": 1}
    return _k6_run(url, once, None)[1]


def _debian_version(package: str) -> str | None:
    if shutil.which("dpkg-query") is None:
        return None
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return told.partition("-")[0] or None
