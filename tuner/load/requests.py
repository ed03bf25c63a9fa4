"""From a workload to what is sent, and to whom: reads the files it names and has its protocol encode them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

from tuner.errors import GeneratorFailure, InputError, Mistake, Problem, Where
from tuner.files import read_input
from tuner.load.auth import problems as token_problems
from tuner.load.auth import token
from tuner.load.http1.request import request_bytes
from tuner.load.model import Protocol, Request, Target, Tls
from tuner.load.protocols import protocol
from tuner.load.protocols.descriptors import compiled, is_url, reflected
from tuner.load.templates import Template, TemplateError, parse_template
from tuner.load.tls import context
from tuner.workload.model import CheckSpec, RequestSource, WorkloadSpec

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----")
"""RFC 7468. Bundles hold names in any encoding between them."""
_TRIED = 50
"""Bodies drawn of a template to see whether the protocol can send them."""


def target(
    urls: tuple[str, ...], workload: WorkloadSpec, requests: tuple[Request, ...], cpus: tuple[int, ...] = ()
) -> Target:
    """Whom the workload's generator sends to, and what, with its token as it is now.

    Raises GeneratorFailure where a file that was there when `problems` looked can no longer be read.
    """
    try:
        return Target(
            urls=secured(urls, workload),
            protocol=workload.protocol,
            requests=requests,
            cpus=cpus,
            options=options(workload),
            tls=tls(workload),
            token=token(workload.auth),
        )
    except InputError as error:
        raise GeneratorFailure(str(error)) from None


def secured(urls: tuple[str, ...], workload: WorkloadSpec) -> tuple[str, ...]:
    """The addresses as they are sent to: ``https`` (or ``grpcs``) where the servers speak TLS."""
    if workload.tls is None:
        return urls
    return tuple(re.sub(r"^(http|grpc)://", r"\1s://", url) for url in urls)


def tls(workload: WorkloadSpec) -> Tls:
    """Raises InputError where the authorities' file holds none."""
    spec = workload.tls
    if spec is None:
        return Tls()
    try:
        authorities = "\n".join(_PEM.findall(read_input(spec.ca).decode("latin-1"))) if spec.ca else ""
        if spec.ca and not authorities:  # none at all would mean those of the system
            raise ValueError("there is no certificate in it")
        made = Tls(authorities=authorities, server_name=spec.server_name or "")
        context(made)
    except (OSError, ValueError) as error:
        message = f"cannot be used: {error.strerror if isinstance(error, OSError) else error}"
        fix = "name a file with the certificates of the authorities to trust, in PEM"
        raise InputError.at(spec.ca or "tls", message, fix) from None
    return made


def options(workload: WorkloadSpec) -> Mapping[str, str]:
    """What the workload's protocol is made with, beyond its name (`Target.options`). Raises InputError."""
    given = {
        "model": workload.model,
        "path": workload.path,
        "method": workload.method,
        "status": ",".join(str(status) for status in workload.check.statuses),
        "check": _conditions(workload.check),
    }
    return {name: value for name, value in given.items() if value}


def protocol_of(workload: WorkloadSpec) -> Protocol:
    """Raises InputError for a JSON schema that is none, and for definitions of a gRPC service that cannot be had."""
    try:
        return protocol(workload.protocol, {**options(workload), **_definitions(workload)})
    except ValueError as error:
        raise InputError.at(workload.check.schema or "check", str(error), "correct it") from None


def requests(workload: WorkloadSpec) -> tuple[Request, ...]:
    """The workload's requests, read from their files. Raises InputError when one cannot be read or encoded."""
    found = problems(workload, Where(file=str(workload.requests[0].path)))
    if found:
        raise InputError(found)
    speaker = protocol_of(workload)
    return tuple(_request(workload, speaker, *each) for each in enumerate(workload.requests))


def problems(workload: WorkloadSpec, where: Where) -> tuple[Problem, ...]:
    """What is wrong with all that the workload names; `where` in the search space names the requests."""
    found = list(token_problems(workload.auth))
    try:
        tls(workload)
    except InputError as error:
        found += error.problems
    try:
        speaker = protocol_of(workload)
    except InputError as error:
        return (*found, *error.problems)
    for index, source in enumerate(workload.requests):
        try:
            found += _unchecked(workload, _request(workload, speaker, index, source), source)
        except OSError as error:
            message = f"the request file {source.path} cannot be read: {error.strerror}"
            found.append(Mistake(message, "name a file that can be read").at(where))
        except Mistake as mistake:
            line = mistake.line if isinstance(mistake, TemplateError) else 0
            found.append(Problem.at(source.path, mistake.message, mistake.fix, line=line))
        except InputError as error:
            found += error.problems
        except ValueError as error:
            fix = f"write a body the {workload.protocol} protocol can send"
            found.append(Problem.at(source.path, str(error), fix))
    return tuple(found)


def _request(workload: WorkloadSpec, speaker: Protocol, index: int, source: RequestSource) -> Request:
    content = read_input(source.path)
    template = parse_template(content) if source.template else None
    if template is None:
        encoded = speaker.encode(content)
    else:
        encoded = replace(_drawn(template, speaker, Random(repr((workload.seed, index)))), template=content)  # noqa: S311
    request = replace(encoded, headers={**encoded.headers, **workload.headers}, weight=source.weight)
    if request.grpc:
        from tuner.load.grpc.call import call_of

        request = replace(request, timeout_s=workload.timeout_s)
        call_of(request, authority="localhost", scheme="http")
    else:
        request_bytes(request, "localhost")  # a header or path unfit for the wire is a problem of the input
    return request


def _drawn(template: Template, speaker: Protocol, random: Random) -> Request:
    """The first body drawn, encoded; others are tried, too, since the protocol may refuse what is drawn later."""
    if not template.draws:
        raise Mistake("a template without placeholders", "write one such as {{int 0 100}}, or leave template out")
    first, *_ = [speaker.encode(template.render(random)) for _ in range(_TRIED)]
    if first.grpc:
        raise Mistake("templates are drawn as text, and this protocol sends messages", "list several files instead")
    return first


def _unchecked(workload: WorkloadSpec, request: Request, source: RequestSource) -> Iterator[Problem]:
    """Checks that could never be made."""
    if _conditions(workload.check) and (request.streams or request.grpc):
        what = "a stream" if request.streams else "no JSON"
        message = f"its answer is {what}: neither JSON paths nor a schema can be held against it"
        yield Problem.at(source.path, message, "remove json and schema from check")


def _definitions(workload: WorkloadSpec) -> Mapping[str, str]:
    """Of the service that the protocol grpc speaks to. The generator does without: it sends messages as they are."""
    if workload.protocol != "grpc" or workload.proto is None:
        return {}
    from tuner.load.protocols.messages import method_of

    where = workload.proto_where or Where(file="--proto")
    if is_url(workload.proto):
        service = workload.method.strip("/").partition("/")[0]
        found = reflected(workload.proto, service, workload.timeout_s, tls(workload), token(workload.auth), where)
    else:
        found = compiled(Path(workload.proto))
    try:
        method_of(found, workload.method)
    except Mistake as mistake:
        raise InputError([mistake.at(where, workload.method)]) from None
    return {"descriptors": base64.b64encode(found).decode()}


def _conditions(check: CheckSpec) -> str:
    """As `protocols.checked.Checked` takes them; empty: none. Raises InputError for a schema that is not JSON."""
    conditions: dict[str, object] = {}
    if check.paths:
        conditions["paths"] = [
            {"path": each.path, **({} if each.equals is None else {"equals": json.loads(each.equals)})}
            for each in check.paths
        ]
    if check.schema is not None:
        conditions["schema"] = _json(check.schema)
    return json.dumps(conditions) if conditions else ""


def _json(path: Path) -> object:
    try:
        value = json.loads(read_input(path))
        if not isinstance(value, dict | bool):
            raise ValueError("a JSON schema is an object")
    except (OSError, ValueError, RecursionError) as error:
        message = f"no JSON schema can be read from it: {error.strerror if isinstance(error, OSError) else error}"
        raise InputError.at(path, message, "write a JSON schema into it") from None
    return value
