"""From a workload to the requests it sends: reads the request files and has the protocol encode them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tuner.errors import InputError, Problem, Where
from tuner.load.model import Protocol, Request
from tuner.load.protocols import protocol
from tuner.load.wire import request_bytes
from tuner.space.model import RequestSource, WorkloadSpec


def options(workload: WorkloadSpec) -> Mapping[str, str]:
    """What the workload's protocol is made with, beyond its name (`Target.options`)."""
    given = {"model": workload.model, "path": workload.path, "method": workload.method}
    return {name: value for name, value in given.items() if value}


def protocol_of(workload: WorkloadSpec) -> Protocol:
    return protocol(workload.protocol, options(workload))


def requests(workload: WorkloadSpec) -> tuple[Request, ...]:
    """The workload's requests, read from their files. Raises InputError when one cannot be read or encoded."""
    found = problems(workload, Where(file=str(workload.requests[0].path)))
    if found:
        raise InputError(found)
    speaker = protocol_of(workload)
    return tuple(_request(workload, speaker, source) for source in workload.requests)


def problems(workload: WorkloadSpec, where: Where) -> tuple[Problem, ...]:
    """What is wrong with the request files; `where` is the place in the search space that names them."""
    speaker = protocol_of(workload)
    found: list[Problem] = []
    for source in workload.requests:
        try:
            _request(workload, speaker, source)
        except OSError as error:
            message = f"the request file {source.path} cannot be read: {error.strerror}"
            found.append(Problem(where=where, message=message, fix="name a file that can be read"))
        except ValueError as error:
            fix = f"write a body the {workload.protocol} protocol can send"
            found.append(Problem(where=Where(file=str(source.path)), message=str(error), fix=fix))
    return tuple(found)


def _request(workload: WorkloadSpec, speaker: Protocol, source: RequestSource) -> Request:
    encoded = speaker.encode(source.path.read_bytes())
    request = replace(encoded, headers={**encoded.headers, **workload.headers}, weight=source.weight)
    request_bytes(request, "localhost")  # a header or path unfit for the wire is a problem of the input
    return request
