"""Reads a search-space file. Everything that is wrong is reported at once, with its line.

The README shows the file on one page. Beyond it, a file may hold:

    parameters:
      batch:     {choices: [true, false], set: env/BATCHING}
      max_batch: {int: [1, 64], log: true, set: env/MAX_BATCH, when: {batch: true}}    # or a list of values
      timeout:   {float: [0.1, 1.0], step: 0.1, set: args/--timeout, container: proxy}
    workload:
      protocol: v2                 # and model: NAME, which the paths of v2 and tensorflow hold
      request:                     # several files, drawn by weight
        - {file: small.json, weight: 9}
        - {file: large.json, weight: 1, template: true}    # with {{int 0 100}} and the like in it
      arrival: poisson             # or constant, gamma (with cv: 2), closed (with think: 200ms)
      shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}   # or steps, spike, on_off, trace (`tuner.space.shapes`)
      path, method, headers        # where the protocol's own will not do
      proto: service.proto         # protocol grpc, with method: package.Service/Method (`tuner.space.grpc`)
      port: grpc                   # of the serving container, by name or number
      tls: {ca: ca.pem, server_name: iris.example}       # or true: the system's authorities, the host's name
      auth: {bearer: {env: TOKEN}}                       # or {file: token}; the token itself stands nowhere
      check:                       # what a correct answer is, beyond what the protocol asks
        status: [200, 202]         # protocol http
        json: [{path: "$.outputs[0].name", equals: iris}, {path: $.id}]
        schema: answer.schema.json
      connections: 32
      timeout, warm_up, duration, step, ready_timeout     # with a unit: 500ms, 10s
      duration: {least: 3s, most: 30s, within: 10%}       # or as long as it takes to be sure
      seed: 0
    slo:        {throughput: 200/s, latency_p99: "<= 50ms"}   # at least for throughput, else at most
    budget:     {trials: 20, time: 10m, confirm: 1}
    prices:     {core_hour: 0.03, gib_hour: 0.004, gpu_hour: 2.5, currency: USD}
    local:                         # how this machine runs what the image holds
      command: [seldon-core-microservice, Iris]    # or in one line; left out: the manifest's command
      requirements: requirements.txt
      folder: model                # where the command runs; left out: the file's own folder
      env: {MODEL_NAME: Iris}      # what the image sets
      image: iris:1.0              # left out: every container
      overcommit: false            # true: run configurations larger than this machine

Where several containers run, `local` holds `images:`, a list of such mappings, and `overcommit`. All paths are
relative to the file.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, cast

from tuner.errors import Problem, Where
from tuner.space.access import ACCESS_KEYS, read_auth, read_tls
from tuner.space.answers import read_check
from tuner.space.arrival_keys import ARRIVAL_KEYS, read_arrivals
from tuner.space.bounds import bound_on
from tuner.space.document import Mapping, Node, Scalar, Sequence, parse
from tuner.space.fields import Fields, Report, existing, items
from tuner.space.grpc import GRPC_KEYS, GRPC_PROTOCOLS, read_method, read_port, read_proto, refuse_path
from tuner.space.metrics import METRICS, STREAM_METRICS
from tuner.space.model import (
    Budget,
    Constraint,
    LocalImage,
    LocalSpec,
    Objective,
    Parameter,
    Prices,
    RequestSource,
    SearchSpace,
    WorkloadSpec,
)
from tuner.space.nearest import nearest
from tuner.space.parameters import EXAMPLE, read_parameters, read_rules
from tuner.space.rules import Rule
from tuner.units import seconds

FILE_NAME = "space.yaml"
PROTOCOLS = ("seldon", "v2", "tensorflow", "http", "openai", "seldon-grpc", "v2-grpc", "grpc")
KEYS = (
    "name",
    "manifest",
    "container",
    "parameters",
    "rules",
    "workload",
    "slo",
    "objectives",
    "budget",
    "prices",
    "local",
)
WORKLOAD_KEYS = (
    "protocol",
    "request",
    *ARRIVAL_KEYS,
    "path",
    "method",
    *GRPC_KEYS,
    "headers",
    *ACCESS_KEYS,
    "check",
    "model",
    "connections",
    "timeout",
    "warm_up",
    "step",
    "ready_timeout",
    "seed",
)
IMAGE_KEYS = ("image", "command", "requirements", "folder", "env")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_OBJECTIVES = "write for example objectives: {throughput: maximize, cost: minimize}"
_WORKLOAD = "add workload: {protocol: seldon, request: request.json}"


def read(path: Path) -> tuple[SearchSpace | None, tuple[Problem, ...]]:
    """Read a search-space file, or the `space.yaml` of a folder.

    Returns the space and everything that is wrong, in the order of lines. Only without problems is the space whole;
    with problems it is what could be read, good for checking the manifest in the same breath, or None where not even
    the manifest is named. Never raises for what the file holds.
    """
    file = path / FILE_NAME if path.is_dir() else path
    text, problems = _text(file)
    if text is None:
        return None, problems
    root, problems = parse(text, str(file))
    report = Report(list(problems))
    space = None
    if isinstance(root, Mapping):
        space = _space(root, file, report)
    elif root is not None:
        report.add(root.where, f"the file holds {root}, not a mapping", f"begin with these keys: {', '.join(KEYS)}")
    return space, tuple(sorted(dict.fromkeys(report.problems), key=lambda problem: problem.where.line))


def _text(file: Path) -> tuple[str | None, tuple[Problem, ...]]:
    where = Where(file=str(file))
    try:
        return file.read_bytes().decode("utf-8-sig"), ()
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            line = error.object[: error.start].count(b"\n") + 1
            message, fix = f"not UTF-8: byte 0x{error.object[error.start]:02x}", "save the file as UTF-8"
            return None, (Problem(where=Where(file=str(file), line=line), message=message, fix=fix),)
        reason = error.strerror if isinstance(error, OSError) else str(error)
        fix = f"name a search-space file, or a folder that holds {FILE_NAME}"
        return None, (Problem(where=where, message=f"cannot be read: {reason}", fix=fix),)


def _space(root: Mapping, file: Path, report: Report) -> SearchSpace | None:
    fields = Fields(root, KEYS, report)
    folder = file.parent
    name = _name(fields)
    container = fields.text("container", "classifier")
    if "manifest" not in fields:
        fields.missing("manifest", "add manifest: FILE, the Kubernetes manifest to tune")
    manifest = fields.path("manifest", folder)
    parameters, rules = _parameters(fields, container, report)
    workload = _workload(fields, folder, report)
    slo = _slo(fields)
    objectives = _objectives(fields)
    _streamed(fields, workload, report)
    budget = _budget(fields, report)
    prices = _prices(fields, report)
    local = _local(fields, folder, report)
    if manifest is None:
        return None
    return SearchSpace(
        name=name,
        file=file,
        manifest=manifest,
        container=container,
        parameters=tuple(parameters),
        rules=tuple(rules),
        workload=workload,
        slo=tuple(slo),
        objectives=tuple(objectives),
        budget=budget,
        prices=prices,
        local=local,
    )


def _name(fields: Fields) -> str:
    if "name" not in fields:
        fields.missing("name", "add name: NAME, which names the study and its objects")
    name = fields.text("name", "iris") or ""
    if name and not _NAME.fullmatch(name):
        fields.wrong("name", "a name", "use at most 40 lower-case letters, digits and -, as Kubernetes names do")
    return name


def _parameters(fields: Fields, container: str | None, report: Report) -> tuple[list[Parameter], list[Rule]]:
    if "parameters" not in fields:
        fields.missing("parameters", f"add what may vary, for example {EXAMPLE}")
    section = fields.section("parameters", f"write one a line, for example {EXAMPLE}")
    parameters, declared = read_parameters(section, container, report) if section else ([], [])
    node = fields.get("rules")
    rules = read_rules(node, parameters, declared, report) if node and declared else []
    return parameters, rules


def _workload(fields: Fields, folder: Path, report: Report) -> WorkloadSpec:
    if "workload" not in fields:
        fields.missing("workload", _WORKLOAD)
    section = fields.section("workload", _WORKLOAD)
    if section is None:
        return WorkloadSpec(protocol="http", requests=())
    load = Fields(section, WORKLOAD_KEYS, report)
    if "protocol" not in load:
        load.missing("protocol", f"add protocol: one of {', '.join(PROTOCOLS)}")
    protocol = load.word("protocol", PROTOCOLS, "http")
    path, model = load.text("path", "/predict"), load.text("model", "iris")
    if protocol in ("v2", "tensorflow", "v2-grpc") and path is None and model is None:
        held = "requests" if protocol == "v2-grpc" else "paths"
        load.missing("model", f"add model: NAME, which the {held} of {protocol} hold")
        model = "model"  # this mistake is reported; whoever checks the rest of the workload need not say so again
    if path is not None and not path.startswith("/"):
        load.wrong("path", "a path", f"write path: /{path}")
        path = f"/{path}"
    refuse_path(load, protocol)
    proto, proto_where = read_proto(load, protocol, folder)
    default = WorkloadSpec(protocol="http", requests=())
    requests = _requests(load, folder, report)
    arrivals = read_arrivals(load, folder, [source.path.name for source in requests], default.duration_s)
    return WorkloadSpec(
        protocol=cast("Any", protocol),
        requests=requests,
        rate_rps=arrivals.rate_rps,
        arrival=arrivals.arrival,
        cv=arrivals.cv,
        think_s=arrivals.think_s,
        shape=arrivals.shape,
        path=path,
        method=(read_method(load, protocol) if protocol in GRPC_PROTOCOLS else _method(load)) or default.method,
        proto=proto,
        proto_where=proto_where,
        port=read_port(load),
        headers=load.texts("headers", "{X-Route: canary}"),
        model=model,
        auth=read_auth(load, folder),
        tls=read_tls(load, folder),
        check=read_check(load, protocol, folder),
        connections=load.whole("connections", least=1, example=32) or default.connections,
        timeout_s=load.unit("timeout", seconds, default.timeout_s),
        warm_up_s=load.unit("warm_up", seconds, default.warm_up_s, above_zero=False),
        duration_s=arrivals.duration_s,
        most_s=arrivals.most_s,
        within=arrivals.within,
        step_s=load.unit("step", seconds, default.step_s),
        ready_timeout_s=load.unit("ready_timeout", seconds, default.ready_timeout_s),
        seed=load.whole("seed", least=0, example=0) or 0,
    )


def _method(load: Fields) -> str | None:
    method = load.text("method", "POST")
    if method is not None and not re.fullmatch(r"[A-Z]+", method):
        load.wrong("method", "an HTTP method", f"write it in capitals, for example method: {method.upper()[:20]}")
        return None
    return method


def _requests(load: Fields, folder: Path, report: Report) -> tuple[RequestSource, ...]:
    node = load.get("request")
    if node is None:
        load.missing("request", "add request: FILE, the body to send (an empty file where there is none)")
        return ()
    if not items(node):
        load.wrong("request", "a file or a list of them", "write for example request: request.json")
    sources = (_request(item, folder, report) for item in items(node))
    return tuple(source for source in sources if source is not None)


def _request(node: Node, folder: Path, report: Report) -> RequestSource | None:
    if isinstance(node, Scalar) and node.value is not None and node.text:
        return RequestSource(path=existing(node.text, folder, "file", "request", node.where, report))
    if not isinstance(node, Mapping):
        fix = "write request.json or {file: request.json, weight: 2}"
        report.add(node.where, f"a request is {node}, not a file", fix)
        return None
    fields = Fields(node, ("file", "weight", "template"), report)
    if "file" not in fields:
        fields.missing("file", "write for example {file: request.json, weight: 2}")
    path = fields.path("file", folder)
    weight = fields.amount("weight", default=1.0, example=2)
    if weight == 0:
        fields.wrong("weight", "above 0", "write a greater weight, or remove the file")
    template = fields.flag("template", default=False)
    return None if path is None else RequestSource(path=path, weight=weight, template=template)


def _slo(fields: Fields) -> list[Constraint]:
    section = fields.section("slo", "write for example slo: {latency_p99: 100ms, error_ratio: 0.1%}")
    bounds: list[Constraint] = []
    for key, node in section.entries if section else ():
        if not isinstance(node, Scalar) or node.value is None:
            fix = f"write for example {key.text}: 100ms"
            fields.report.add(key.where, f"the bound on {key.text} is {node}, not a value", fix)
            continue
        try:
            bounds.append(bound_on(key.text, node.text))
        except ValueError as error:
            fields.report.refusal(key.where, "slo" if key.text not in METRICS else f"slo {key.text}", error)
    return bounds


def _objectives(fields: Fields) -> list[Objective]:
    if "objectives" not in fields:
        fields.missing("objectives", _OBJECTIVES)
    section = fields.section("objectives", _OBJECTIVES)
    if section is not None and not section.entries:
        fields.report.add(fields.where("objectives"), "objectives is empty", _OBJECTIVES)
    found = [_objective(key, node, fields.report) for key, node in (section.entries if section else ())]
    return [objective for objective in found if objective is not None]


def _objective(key: Scalar, node: Node, report: Report) -> Objective | None:
    metric = METRICS.get(key.text)
    if metric is None:
        report.add(key.where, f"objectives: unknown metric {key.text!r}", nearest(key.text, METRICS))
        return None
    word = node.text if isinstance(node, Scalar) else ""
    if word != metric.better:
        found = "the wrong direction" if word in ("minimize", "maximize") else "not a direction"
        report.add(node.where, f"objective {key.text}: {node} is {found}", f"write {key.text}: {metric.better}")
        return None
    return Objective(metric=key.text, direction=metric.better)


def _streamed(fields: Fields, workload: WorkloadSpec, report: Report) -> None:
    """What is measured of streams needs a protocol that has them."""
    if workload.protocol == "openai" or "workload" not in fields:
        return
    for name in ("slo", "objectives"):
        section = fields.get(name)
        for key, _ in section.entries if isinstance(section, Mapping) else ():
            if key.text in STREAM_METRICS:
                message = (
                    f"{name}: {key.text} is measured of streams, which the {workload.protocol} protocol has none of"
                )
                report.add(key.where, message, "use protocol: openai, or remove it")


def _budget(fields: Fields, report: Report) -> Budget:
    section = fields.section("budget", "write for example budget: {trials: 20, time: 10m}")
    if section is None:
        return Budget(trials=20)
    budget = Fields(section, ("trials", "time", "confirm"), report)
    if "trials" not in budget and "time" not in budget:
        where = fields.where("budget")
        report.add(where, "budget has neither trials nor time", "add at least one, for example trials: 20 or time: 10m")
    confirm = budget.whole("confirm", least=0, example=1)
    return Budget(
        trials=budget.whole("trials", least=1, example=20),
        time_s=budget.unit("time", seconds, None),
        confirm=Budget(trials=1).confirm if confirm is None else confirm,
    )


def _prices(fields: Fields, report: Report) -> Prices:
    section = fields.section("prices", "write for example prices: {core_hour: 0.03, currency: EUR}")
    default = Prices()
    if section is None:
        return default
    prices = Fields(section, ("core_hour", "gib_hour", "gpu_hour", "currency"), report)
    currency = prices.text("currency", "EUR") or default.currency
    if not re.fullmatch(r"[A-Z]{3}", currency):
        prices.wrong("currency", "a currency code", "write its three capitals, for example currency: EUR")
    return Prices(
        core_hour=prices.amount("core_hour", default=default.core_hour, example=0.03),
        gib_hour=prices.amount("gib_hour", default=default.gib_hour, example=0.004),
        gpu_hour=prices.amount("gpu_hour", default=default.gpu_hour, example=2.5),
        currency=currency,
    )


def _local(fields: Fields, folder: Path, report: Report) -> LocalSpec:
    section = fields.section("local", "write for example local: {command: [python, serve.py]}")
    if section is None:
        return LocalSpec()
    local = Fields(section, ("images", "overcommit", *IMAGE_KEYS), report)
    own = [key for key in IMAGE_KEYS if key in local]
    if "images" not in local:
        images: tuple[LocalImage, ...] = (_image(local, folder),) if own else ()
    else:
        if own:
            report.add(fields.where("local"), f"local has both images and {own[0]}", f"move {own[0]} into images")
        images = _images(local, folder, report)
    return LocalSpec(images=images, overcommit=local.flag("overcommit", default=False))


def _images(local: Fields, folder: Path, report: Report) -> tuple[LocalImage, ...]:
    node = local.get("images")
    if not isinstance(node, Sequence):
        local.wrong("images", "a list", "write each image in a mapping of its own after '- '")
        return ()
    images: list[LocalImage] = []
    for item in node.items:
        if not isinstance(item, Mapping):
            report.add(item.where, f"an image is {item}, not a mapping", "write {image: NAME, command: [...]}")
            continue
        image = _image(Fields(item, IMAGE_KEYS, report), folder)
        if image.image in [other.image for other in images]:
            what = f"for image {image.image!r}" if image.image else "without image"
            report.add(item.where, f"a second entry {what}", "remove it, or name the image it stands for")
        images.append(image)
    return tuple(images)


def _image(fields: Fields, folder: Path) -> LocalImage:
    requirements = fields.path("requirements", folder)
    working = fields.path("folder", folder, kind="folder")
    return LocalImage(
        image=fields.text("image", "iris:1.0"),
        command=_command(fields),
        requirements=requirements and requirements.resolve(),
        folder=working and working.resolve(),
        env=fields.texts("env", "{MODEL_NAME: Iris}"),
    )


def _command(fields: Fields) -> tuple[str, ...] | None:
    node = fields.get("command")
    if node is None:
        return None
    example = "write for example command: [python, serve.py]"
    words = [item.text for item in items(node) if isinstance(item, Scalar) and item.value is not None]
    try:
        command = words if isinstance(node, Sequence) else [word for text in words for word in shlex.split(text)]
    except ValueError as error:
        fields.report.add(fields.where("command"), f"command is {node}: {error}", example)
        return None
    if not command or len(words) < len(items(node)):
        fields.wrong("command", "a list of words", example)
        return None
    return tuple(command)
