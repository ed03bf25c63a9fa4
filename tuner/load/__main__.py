"""`python -m tuner.load`: the load engine alone, from a shell or (`--serve`) driven over standard input."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import uvloop

from tuner.errors import InputError, TunerError, Where
from tuner.files import write
from tuner.load.engine.cpus import bind
from tuner.load.engine.engine import Engine
from tuner.load.model import LoadWindow, Target
from tuner.load.process.samples_file import dump
from tuner.load.process.serve import serve
from tuner.load.protocols import NAMES
from tuner.load.requests import requests
from tuner.load.requests import target as target_of
from tuner.load.windows import as_asked
from tuner.measure.hdr import write_log
from tuner.measure.samples import Samples
from tuner.measure.status import errors
from tuner.measure.tokens import first_token_s, gaps_s
from tuner.statistics.model import FloatArray
from tuner.units import rate, seconds
from tuner.workload.arrivals import with_arrivals
from tuner.workload.json_path import parse_path
from tuner.workload.model import PACED, Bearer, CheckSpec, PathCheck, RequestSource, TlsSpec, WorkloadSpec


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: sent; 2: bad input; 3: the generator failed; 130: interrupted."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.serve and not given.url:
        parser.error("give --url, and a rate, a shape or --arrival closed")
    try:
        if given.serve:
            uvloop.run(serve())
        else:
            target, window, started_s = _target(given), _load_window(given), time.time()
            samples = _samples(target, window, given.processes)
            if given.out is not None:
                write(given.out, dump(samples))
            if given.hdr is not None:
                write_log(samples, given.hdr, started_s=started_s)
            sys.stdout.write(json.dumps(summary(samples), indent=2) + "\n")
    except (InputError, ValueError) as error:
        return _say(error, 2)
    except (TunerError, OSError) as error:
        return _say(error, 3)
    except KeyboardInterrupt:
        return 130
    return 0


def summary(samples: Samples) -> dict[str, object]:
    """Bare figures of one window, for a quick look; `tuner.measure` judges whether they can be trusted."""
    good = samples.good
    lateness = samples.lateness_s[np.isfinite(samples.lateness_s)]
    first = first_token_s(samples)[good]
    streams = {"ttft_s": _quantiles(first[np.isfinite(first)]), "itl_s": _quantiles(gaps_s(samples, good))}
    return {
        "requests": len(samples),
        "good": int(good.sum()),
        "errors": dict(errors(samples.status)),
        "waited": int(samples.waited.sum()),
        "rate_rps": float(good.sum() / samples.window_s),
        "latency_s": _quantiles(samples.latency_s[good]),
        **(streams if samples.tokens is not None else {}),
        "lateness_s": _quantiles(lateness),
        "connections": samples.connections,
        "connects": samples.connects,
        "resent": samples.resent,
        "generator_cpu_ratio": samples.generator_cpu_ratio,
        "requests_per_cpu_s": len(samples) / samples.generator_cpu_s if samples.generator_cpu_s else None,
    }


def _samples(target: Target, window: LoadWindow, processes: int) -> Samples:
    if processes == 1:
        return uvloop.run(_send(target, window))
    from tuner.load.process.local import local_generator

    with local_generator(target, processes) as generator:
        return generator.run(window)


async def _send(target: Target, window: LoadWindow) -> Samples:
    bind(target.cpus)
    engine = Engine(target)
    try:
        return await engine.run(window)
    finally:
        engine.close()


def _target(given: argparse.Namespace) -> Target:
    headers = dict(header.split(":", 1) for header in given.header)
    bodies = [RequestSource(path=path) for path in given.body or ()]
    bodies += [RequestSource(path=path, template=True) for path in given.template or ()]
    workload = WorkloadSpec(
        protocol=given.protocol,
        requests=tuple(bodies) or (RequestSource(path=Path(os.devnull)),),
        path=given.path,
        method=given.method or ("POST" if bodies else "GET"),
        proto=given.proto or given.url[0],
        headers={name: value.strip() for name, value in headers.items()},
        model=given.model,
        auth=_auth(given),
        tls=TlsSpec(ca=given.ca, server_name=given.server_name) if given.ca or given.server_name else None,
        timeout_s=given.timeout,
        said=frozenset(PACED),
        check=CheckSpec(statuses=given.status, paths=tuple(map(_holds, given.holds)), schema=given.schema),
    )
    urls = tuple(url.rstrip("/") for url in given.url)
    if workload.tls is not None and not all(url.startswith(("https://", "grpcs://")) for url in urls):
        raise ValueError("--ca and --server-name are for https:// and grpcs:// URLs")
    return target_of(urls, workload, requests(workload), given.cpus)


def _auth(given: argparse.Namespace) -> Bearer | None:
    if given.token_env and given.token_file:
        raise ValueError("give --token-env or --token-file, not both")
    if given.token_env:
        return Bearer(env=given.token_env, where=Where(file="--token-env"))
    return Bearer(file=given.token_file, where=Where(file="--token-file")) if given.token_file else None


def _holds(text: str) -> PathCheck:
    path, equals, value = text.partition("=")
    try:
        parse_path(path)
        return PathCheck(path=path, equals=json.dumps(json.loads(value)) if equals else None)
    except ValueError as error:
        raise ValueError(f"--holds {text}: {error}; write for example '$.model' or '$.model=\"iris\"'") from None


def _load_window(given: argparse.Namespace) -> LoadWindow:
    files = [*(given.body or ()), *(given.template or ())]
    workload = with_arrivals(
        WorkloadSpec(
            protocol="http",
            requests=tuple(RequestSource(path=file) for file in files),
            connections=given.connections,
            timeout_s=given.timeout,
            said=frozenset(PACED),
        ),
        arrival="closed" if given.closed else given.arrival,
        shape=given.shape,
        rate_rps=given.rate,
        duration_s=given.duration,
    )
    if workload.rate_rps is None and workload.arrival != "closed":
        raise ValueError("how many requests are to be sent? give --rate, a --shape with rates, or --arrival closed")
    return as_asked(workload, workload.rate_rps or 0.0, workload.duration_s, seed=given.seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tuner.load",
        description="Put a model server under load and print what became of the requests, as JSON.",
        epilog="example: python -m tuner.load --url http://127.0.0.1:9000 --protocol seldon --body request.json "
        "--rate 100/s --duration 5s",
    )
    add = parser.add_argument
    add("--url", action="append", help="base URL of a replica; may be repeated")
    add("--protocol", choices=NAMES, default="http", help="how the server is spoken to (default: http)")
    add("--body", action="append", type=Path, metavar="FILE", help="file with a request's body; may be repeated")
    add(
        "--template", action="append", type=Path, metavar="FILE", help="the same, with {{int 0 100}} and the like in it"
    )
    add("--path", help="request path instead of the protocol's usual one")
    add(
        "--method",
        help="HTTP method (protocol http; default: POST with a body, else GET), or package.Service/Method (grpc)",
    )
    add(
        "--proto",
        metavar="FILE|URL",
        help="protocol grpc: .proto file, descriptor set or server that tells (default: --url)",
    )
    add("--header", action="append", default=[], metavar="NAME:VALUE", help="header to send; may be repeated")
    add("--ca", type=Path, metavar="FILE", help="PEM file of the authorities to trust (default: the system's)")
    add("--server-name", metavar="NAME", help="name in the server's certificate (default: the URL's host)")
    add("--token-env", metavar="NAME", help="environment variable that holds a bearer token to send")
    add("--token-file", type=Path, metavar="FILE", help="file that holds a bearer token to send")
    add("--status", type=_numbers, default=(), help="statuses of correct answers, such as 200,404 (protocol http)")
    add("--holds", action="append", default=[], metavar="PATH[=JSON]", help="what a JSON answer holds; may be repeated")
    add("--schema", type=Path, metavar="FILE", help="JSON schema of the answers")
    add("--model", help="model name in the paths of v2 and tensorflow")
    add("--rate", type=rate, help="open loop: requests offered, such as 100/s")
    add("--arrival", metavar="HOW", help="poisson, constant, gamma:cv=2, closed or closed:think=1s (default: poisson)")
    add("--closed", action="store_true", help="the same as --arrival closed")
    add("--shape", help="how the rate changes: ramp:10/s..500/s,over=30s, steps, spike, on_off or trace:FILE")
    add("--duration", type=seconds, help="length of the window (default: the shape's, or 5s)")
    add("--connections", type=int, default=16, help="most connections, over all replicas (default: 16)")
    add("--timeout", type=seconds, default=5.0, help="time after which a request counts as failed (default: 5s)")
    add("--seed", type=int, default=0, help="seed of the arrival times (default: 0)")
    add("--cpus", type=_numbers, default=(), help="CPUs to run on, such as 0,1")
    add("--processes", type=int, default=1, help="engine processes, each on its own of the CPUs (default: 1)")
    add("--out", type=Path, metavar="FILE", help="write the samples here (.npz)")
    add("--hdr", type=Path, metavar="FILE", help="write the latencies here, as a histogram log of HdrHistogram")
    add("--serve", action="store_true", help="take a target and orders as lines of JSON from standard input")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1") from None


def _quantiles(values: FloatArray) -> dict[str, float]:
    if not len(values):
        return {}
    return {name: float(np.quantile(values, q)) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1))}


def _say(error: Exception, status: int) -> int:
    sys.stderr.write(f"{error}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
