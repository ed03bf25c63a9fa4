"""A workload made of its keys: what goes together, what its protocol asks for, and when requests come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from tuner.errors import InputError, Mistake, Problem
from tuner.space.document import Mapping
from tuner.space.file.models import WorkloadKeys, given
from tuner.workload.arrivals import arriving, contradictions
from tuner.workload.length import Length
from tuner.workload.model import GRPC_PROTOCOLS, PACED, Bearer, ProtocolName, WorkloadSpec
from tuner.workload.shapes import Gaps, Rated, Trace
from tuner.workload.trace import read_trace

_ARRIVAL_FIELDS = {"rate_rps", "arrival", "cv", "think_s", "shape", "length"}


def misplaced(section: Mapping, protocol: ProtocolName) -> Iterator[Problem]:
    """Keys that the protocol has no use for."""
    check = section.get("check")
    if protocol != "http" and isinstance(check, Mapping) and "status" in check:
        message = f"status: what is expected is the {protocol} protocol's own affair"
        yield Mistake(message, "remove status, or use protocol: http").at(check.keys_at["status"])
    foreign = {"method": protocol in GRPC_PROTOCOLS and protocol != "grpc", "proto": protocol != "grpc"}
    for key in ("path", "proto", "method"):
        if key in section and foreign.get(key, protocol in GRPC_PROTOCOLS):
            fix = "it; a gRPC call is named by its method" if key == "path" else "it, or write protocol: grpc"
            message = f"{key} is {section[key]}, not a key of the protocol {protocol}"
            yield Mistake(message, f"remove {fix}").at(section.keys_at[key])


def lacking(section: Mapping, protocol: ProtocolName) -> Iterator[Problem]:
    """Keys that the protocol asks for."""
    if protocol in ("v2", "tensorflow", "v2-grpc") and not {"path", "model"} & section.keys():
        held = "requests" if protocol == "v2-grpc" else "paths"
        yield Mistake("'model' is missing", f"add model: NAME, which the {held} of {protocol} hold").at(section.where)
    if protocol == "grpc":
        what = {
            "method": "package.Service/Method, the unary method to call",
            "proto": "FILE.proto, or the grpc://host:port of a running server that offers reflection",
        }
        for key in [key for key in what if key not in section]:
            yield Mistake(f"{key!r} is missing", f"add {key}: {what[key]}").at(section.where)


def workload(keys: WorkloadKeys, section: Mapping, problems: list[Problem]) -> WorkloadSpec:
    """What is wrong is added to `problems`."""
    fields = {name: value for name, value in given(keys).items() if name not in _ARRIVAL_FIELDS and value is not None}
    if keys.protocol in ("v2", "tensorflow", "v2-grpc") and keys.path is None and keys.model is None:
        fields["model"] = "model"  # this mistake is told; whoever checks the rest of the workload need not say so again
    fields["proto_where"] = section.keys_at.get("proto", section.where)
    if keys.auth is not None:
        bearer = given(keys.auth.bearer)
        where = cast("Any", section)["auth"]["bearer"].keys_at[next(iter(bearer))]
        fields["auth"] = Bearer(**bearer, where=where)
    fields["requests"] = tuple(keys.requests)
    fields["said"] = frozenset(PACED) & fields.keys() | ({"duration_s"} if keys.length is not None else set())
    spec = WorkloadSpec(**fields)
    gaps = Gaps(arrival=keys.arrival or "poisson", cv=keys.cv or 1.0, think_s=keys.think_s or 0.0)
    shape = _shape(keys, section, problems)
    wrong = contradictions(gaps, shape, section.keys(), keys.length)
    problems += [mistake.at(section.keys_at[mistake.key or "shape"]) for mistake in wrong]
    length = keys.length or Length(least_s=spec.duration_s if shape is None else shape.length_s)
    return arriving(spec, gaps, shape, keys.rate_rps, length)


def _shape(keys: WorkloadKeys, section: Mapping, problems: list[Problem]) -> Rated | Trace | None:
    if not isinstance(keys.shape, Path):
        return cast("Rated | None", keys.shape)
    if isinstance(section["shape"], Mapping) and not keys.shape.is_file():
        return None  # which is told already
    try:
        return read_trace(keys.shape, [source.path.name for source in keys.requests])
    except InputError as error:
        problems.extend(error.problems)
        return None
