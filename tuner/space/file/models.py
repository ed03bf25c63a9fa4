"""Every key of the search-space file: what may stand there, what it means, and an example.

Fields are called as in `tuner.space.model` and aliased to their keys, so that most models become one of its nouns by a
single step (`into`). A key that is not in the file is not set, and the noun's own default holds.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import core_schema

from tuner.space.bounds import bound_on
from tuner.space.document import Mapping, Node, Scalar, Sequence
from tuner.space.file import values
from tuner.space.file.shape import SHAPE_SCHEMA, read_shape
from tuner.space.file.values import (
    LARGEST,
    SCALAR,
    Amount,
    AnyPath,
    Duration,
    Either,
    File,
    Flag,
    Folder,
    Located,
    Natural,
    Pause,
    Positive,
    Rate,
    Several,
    Share,
    Text,
    Texts,
    Word,
    Wrong,
    finite,
    items,
    mistake,
    together,
    whole,
)
from tuner.space.json_path import parse_path
from tuner.space.length import Length
from tuner.space.metrics import METRICS
from tuner.space.model import (
    GRPC_PROTOCOLS,
    Budget,
    CheckSpec,
    Constraint,
    LocalImage,
    LocalSpec,
    Objective,
    PathCheck,
    Prices,
    ProtocolName,
    RequestSource,
    TlsSpec,
    Value,
)
from tuner.space.nearest import nearest
from tuner.space.shapes import MOST_CV, Arrival

PARAMETER = "workers: {int: [1, 4], set: env/GUNICORN_WORKERS}"
_METHOD = re.compile(r"/?[A-Za-z_][\w.]*/[A-Za-z_]\w*", re.ASCII)
_AUTH = "write for example auth: {bearer: {env: TOKEN}} or auth: {bearer: {file: token}}"
_TLS = "write tls: true, or for example tls: {ca: ca.pem, server_name: model.example}"
_PATH = "write for example {path: $.outputs[0].data} or {path: $.model, equals: iris}"
_WORKLOAD = "add workload: {protocol: seldon, request: request.json}"
_LENGTH = "write duration: {least: 3s, most: 30s}, or a plain duration: 5s"
_NAME = r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?"
_OBJECTIVES = "write for example objectives: {throughput: maximize, cost: minimize}"


class Keys(BaseModel):
    """A mapping with known keys. Models are built when they are first needed."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)


def key(
    name: str,
    meaning: str,
    *,
    example: str = "",
    default: str = "",
    required: str = "",
    instead: str = "",
    fix: str = "",
) -> Any:
    """A field for the key `name`. `default`: what holds without it, in words; `required`: it must be there, and what to
    add where it is not; `instead`: what stands in for it then, so that the rest can be checked; `fix`: what to do
    about a wrong value (else: write the example)."""
    told = {"example": example, "default": default, "required": required, "instead": instead, "fix": fix}
    return Field(... if required else None, alias=name, description=meaning, json_schema_extra=cast("Any", told))


def given(keys: Keys) -> dict[str, Any]:
    """The fields that are in the file."""
    return {name: getattr(keys, name) for name in keys.model_fields_set}


@dataclass(frozen=True, slots=True)
class From:
    """The annotated noun is made of what `keys` describes, by `make`; without it of a model's fields as they are."""

    keys: Any
    make: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, noun: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        make = self.make or (lambda keys: noun(**given(keys)))
        return core_schema.no_info_after_validator_function(make, handler.generate_schema(self.keys))


def _mapping(message: str, fix: str) -> BeforeValidator:
    def check(node: Node) -> Node:
        if not isinstance(node, Mapping):
            raise Wrong(message, fix)
        return node

    return BeforeValidator(check)


# ---------------------------------------------------------------------------------------------------- parameters


def _range(item: str, kind: type) -> BeforeValidator:
    def read(node: Node) -> list[float]:
        if not isinstance(node, Sequence) or len(node) != 2:
            found = f"a list of {len(node)}" if isinstance(node, Sequence) else "{found}"
            raise Wrong(f"{{key}} of {{name}} is {found}, not [low, high]")
        numbers = [_bound(one, kind) for one in node]
        message = f"a bound of {{name}} is {{found}}, not {item}"
        wrong: Located = [((at,), Wrong(message)) for at, number in enumerate(numbers) if number is None]
        if wrong:
            raise together(wrong)
        return [number for number in numbers if number is not None]

    return BeforeValidator(lambda node: tuple(read(node)))


def _bound(node: Node, kind: type) -> float | None:
    if kind is int:
        return whole(node, -LARGEST)
    return finite(node.value) if isinstance(node, Scalar) else None


def _choices(node: Node) -> list[Value]:
    if not isinstance(node, Sequence):
        raise Wrong("{key} is {found}, not a list")
    if not node:
        raise Wrong("the choices of {name} are empty", "list at least one value")
    found: list[Value] = []
    wrong: Located = []
    for at, item in enumerate(node):
        value = item.value if isinstance(item, Scalar) else None
        if value is None or (isinstance(value, float) and finite(value) is None):
            fix = "write a number, true, false or a text in quotes"
            wrong.append(((at,), Wrong("a choice of {name} is {found}, not a value", fix)))
        else:
            found.append(value)
    if wrong:
        raise together(wrong)
    return found


def _step(node: Node, info: ValidationInfo) -> float:
    if info.data.get("whole") is not None:
        stride = whole(node, 1)
        if stride is None:
            raise Wrong("step is {found}, not a whole number of at least 1", "write for example step: 2")
        return stride
    step = finite(node.value) if isinstance(node, Scalar) else None
    if step is None or step <= 0:
        raise Wrong("step is {found}, not a number above 0")
    return step


def _targets(node: Node) -> list[str]:
    found = values.texts(node)
    if not found:
        raise Wrong("{key} is {found}, not an address or a list of them")
    return found


def _when(node: Node) -> tuple[str, list[Scalar]]:
    if not isinstance(node, Mapping) or len(node) != 1:
        found = f"a mapping of {len(node)}" if isinstance(node, Mapping) else "{found}"
        raise Wrong(
            f"when of {{name}} is {found}, not one condition",
            "name one other parameter and its value or values, for example when: {batching: true}",
        )
    ((other, value),) = node.items()
    scalars = [item for item in items(value) if isinstance(item, Scalar) and item.value is not None]
    if not scalars or len(scalars) < len(items(value)):
        message = f"when of {{name}} does not give values of {other!r}"
        raise Wrong(message, f"write for example when: {{{other}: 1}}")
    return other, scalars


_VALUES = {"anyOf": [SCALAR, {"type": "array", "items": SCALAR, "minItems": 1}]}


class ParameterKeys(Keys):
    """One knob."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["set"],
            "oneOf": [{"required": [domain]} for domain in ("int", "float", "choices")],
        }
    )
    whole: Annotated[tuple[int, int], _range("a whole number", int)] | None = key(
        "int", "`[low, high]`, whole numbers, both included", example="[1, 4]"
    )
    real: Annotated[tuple[float, float], _range("a number", float)] | None = key(
        "float", "`[low, high]`, numbers, both included", example="[0.1, 0.9]"
    )
    choices: (
        Annotated[
            list[Any], BeforeValidator(_choices), WithJsonSchema({"type": "array", "items": SCALAR, "minItems": 1})
        ]
        | None
    ) = key(
        "choices",
        "a list of values; quantities compare as quantities (`1000m` and `1` are the same)",
        example="[1, 2, 4]",
    )
    log: Flag | None = key("log", "`true`: a range is searched evenly in the logarithm", example="true")
    step: Annotated[float, BeforeValidator(_step), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})] | None = (
        key("step", "how far apart the values of a range are", example="0.1")
    )
    targets: Annotated[list[str], BeforeValidator(_targets), WithJsonSchema(_VALUES)] | None = key(
        "set",
        "an address in the manifest, or a list of them that all get the value",
        example="[limits/cpu, requests/cpu]",
    )
    when: Annotated[
        Any,
        BeforeValidator(_when),
        WithJsonSchema({"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": _VALUES}),
    ] = key("when", "`{parameter: value}` or `{parameter: [values]}`: exists only then", example="{batching: true}")
    container: Text | None = key("container", "another container than the file's", example="classifier")


def _rule(node: Node) -> Scalar:
    if not isinstance(node, Scalar) or node.value is None:
        raise Wrong("a rule is {found}, not a text", "write a condition such as workers * threads <= 16")
    return node


# ------------------------------------------------------------------------------------------------------ workload


def _method(method: str, info: ValidationInfo) -> str:
    protocol = info.data.get("protocol", "http")
    if protocol == "grpc" and not _METHOD.fullmatch(method):
        raise Wrong("{key} is {found}, not a gRPC method", "write for example method: package.Service/Method")
    if protocol not in GRPC_PROTOCOLS and not re.fullmatch(r"[A-Z]+", method):
        fix = f"write it in capitals, for example method: {method.upper()[:20]}"
        raise Wrong("{key} is {found}, not an HTTP method", fix)
    return method


def _proto(node: Node, info: ValidationInfo) -> str | None:
    if info.data.get("protocol") != "grpc":
        return None  # a key of another protocol, whose fault is told elsewhere
    written = values.text(node)
    return written.rstrip("/") if written.startswith(("grpc://", "grpcs://")) else str(values.existing_file(node, info))


def _port(node: Node) -> str | int:
    number = whole(node, 1, 65535)
    if number is not None:
        return number
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
        return node.value
    raise Wrong("{key} is {found}, not the name or number of a port", "write for example port: grpc or port: 5000")


def _url_path(path: str) -> str:
    if not path.startswith("/"):
        raise Wrong("{key} is {found}, not a path", f"write path: /{path}")
    return path


def _cv(cv: float) -> float:
    if not 0.0 < cv <= MOST_CV:
        fix = "write for example cv: 2; cv: 1 is poisson"
        raise Wrong(f"{{key}} is {{found}}, not above 0 and at most {MOST_CV:g}", fix)
    return cv


def _weight(weight: float) -> float:
    if weight == 0:
        raise Wrong("{key} is {found}, not above 0", "write a greater weight, or remove the file")
    return weight


class RequestKeys(Keys):
    """A request file, and its share among several."""

    path: File = key("file", "a file with the body", required="write for example {file: request.json, weight: 2}")
    weight: (
        Annotated[Amount, AfterValidator(_weight), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})] | None
    ) = key("weight", "its share among several", default="1", example="2")
    template: Flag | None = key("template", "it holds placeholders, see below", default="`false`")


def _request(node: Node) -> Node:
    if not isinstance(node, Mapping) and values.written(node) is None:
        raise Wrong("a request is {found}, not a file", "write request.json or {file: request.json, weight: 2}")
    return node


def _source(found: Any) -> RequestSource:
    return RequestSource(path=found) if isinstance(found, Path) else RequestSource(**given(found))


def _most(most_s: float, info: ValidationInfo) -> float:
    if most_s < info.data.get("least_s", 0.0):
        fix = "write for example duration: {least: 3s, most: 30s}"
        raise Wrong("{key} is {found}, not at least as long as least", fix)
    return most_s


class LengthKeys(Keys):
    """As long as it takes to be sure."""

    least_s: Duration = key("least", "measured at least so long", example="3s", required=_LENGTH)
    most_s: Annotated[Duration, AfterValidator(_most)] = key(
        "most", "and at most so long in all", example="30s", required=_LENGTH
    )
    within: Share | None = key(
        "within", "half-width, as a share of the value, at which an interval is tight enough", default="10%"
    )


def _length(found: Any) -> Length:
    return Length(**given(found)) if isinstance(found, LengthKeys) else Length(least_s=found)


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Wrong(
            "env is not the name of a variable", "write the name of an environment variable, for example env: TOKEN"
        )
    return name


class BearerKeys(Keys):
    """Where the token is found: just one of both."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["env"]}, {"required": ["file"]}]})
    env: Annotated[Text, AfterValidator(_variable)] | None = key("env", "an environment variable", example="TOKEN")
    file: AnyPath | None = key("file", "a file; it may be missing until load starts", example="token")

    @model_validator(mode="after")
    def _one_place(self) -> BearerKeys:
        if len(self.model_fields_set) != 1:
            found = "both env and file" if self.model_fields_set else "neither env nor file"
            raise Wrong(f"bearer has {found}", _AUTH)
        return self


class AuthKeys(Keys):
    """Who asks."""

    # what stands there may be the token itself: it is not shown
    bearer: Annotated[BearerKeys, _mapping("bearer does not say where the token is found", _AUTH)] = key(
        "bearer", "where the token is found", required=_AUTH
    )


class TlsKeys(Keys):
    """The servers speak TLS."""

    ca: File | None = key("ca", "PEM file of the authorities to trust", default="the system's")
    server_name: Text | None = key(
        "server_name", "name in the certificate", default="the host", example="model.example"
    )


def _speaks_tls(node: Node) -> bool:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    raise Wrong("{key} is {found}, not true or a mapping", _TLS)


def _tls(found: Any) -> TlsSpec | None:
    return TlsSpec(**given(found)) if isinstance(found, TlsKeys) else TlsSpec() if found else None


def _json_path(text: str) -> str:
    parse_path(text)
    return text


def _equals(node: Node) -> str:
    try:
        return json.dumps(_plain(node), allow_nan=False)
    except ValueError:
        fix = "write a text, a number, true, false, null, a list or a mapping"
        raise Wrong("{key} is {found}, not a value that JSON has", fix) from None


def _plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [_plain(item) for item in node]
    return {name: _plain(value) for name, value in node.items()}


class PathKeys(Keys):
    """What a JSON answer must hold at a path."""

    path: Annotated[Text, AfterValidator(_json_path)] = key(
        "path", "a JSONPath; it must select something", example="$.outputs[0].data", required=_PATH
    )
    equals: Annotated[Any, BeforeValidator(_equals), WithJsonSchema({})] = key("equals", "the value of all it selects")


def _status(node: Node) -> int:
    status = whole(node, 200, 599)
    if status is not None:
        return status
    fix = "write a status from 200 to 599, or a list of them, for example status: [200, 202]"
    raise Wrong("status is {found}, not an HTTP status", fix)


class CheckKeys(Keys):
    """What a correct answer is."""

    statuses: Annotated[list[Annotated[int, Field(ge=200, le=599), BeforeValidator(_status)]], Several()] = key(
        "status", "protocol `http`: a status or a list of them", default="any from 200 to 299"
    )
    paths: Annotated[
        list[Annotated[PathCheck, From(PathKeys), _mapping("a check of JSON is {found}, not a mapping", _PATH)]],
        Several(),
    ] = key("json", "values at JSON paths")
    answer_schema: File | None = key("schema", "JSON Schema of the answer")


def _check(keys: CheckKeys) -> CheckSpec:
    statuses, paths = keys.statuses or (), keys.paths or ()
    return CheckSpec(statuses=tuple(dict.fromkeys(statuses)), paths=tuple(paths), schema=keys.answer_schema)


class WorkloadKeys(Keys):
    """How a server is put under load."""

    protocol: Annotated[ProtocolName, Word] = key(
        "protocol",
        "`seldon`, `v2` (open inference), `tensorflow`, `http` or `openai`; over gRPC `seldon-grpc`, `v2-grpc` or `grpc`",
        required=f"add protocol: one of {', '.join(get_args(ProtocolName))}",
        instead="http",
    )
    requests: Annotated[
        list[Annotated[RequestSource, From(Either[File, RequestKeys], _source), BeforeValidator(_request)]],
        Several("a file or a list of them"),
    ] = key(
        "request",
        "a file with the body, or a list of `{file: ..., weight: ..., template: ...}`",
        example="request.json",
        required="add request: FILE, the body to send (an empty file where there is none)",
        instead=".",
    )
    rate_rps: Rate | None = key(
        "rate", "the common rate, such as `200/s`", default="half of the baseline's capacity, then fixed"
    )
    arrival: Annotated[Arrival, Word] = key(
        "arrival",
        "how gaps between requests are drawn: `poisson`, `constant`, `gamma`; or `closed`, see below",
        default="`poisson`",
    )
    cv: (
        Annotated[
            Amount, AfterValidator(_cv), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MOST_CV})
        ]
        | None
    ) = key(
        "cv",
        "coefficient of variation of `gamma` gaps: 1 is Poisson, above it requests come in bursts",
        default="1",
        example="2",
    )
    think_s: Pause | None = key(
        "think",
        "mean pause of a user of a `closed` loop between an answer and the next request",
        default="none",
    )
    shape: Annotated[Any, BeforeValidator(read_shape), WithJsonSchema(SHAPE_SCHEMA)] = key(
        "shape", "how the rate changes within the window at the common rate, see below", default="it does not"
    )
    length: Annotated[Length, From(Either[Duration, LengthKeys], _length)] | None = key(
        "duration",
        "length of the window at the common rate; or `{least: 3s, most: 30s, within: 10%}`: as long as it takes until "
        "the SLO's verdict is certain, or latencies are known to `within` to each side",
        default="5s",
    )
    path: Annotated[Text, AfterValidator(_url_path)] | None = key(
        "path", "where the protocol's own will not do", default="the protocol's", example="/predict"
    )
    method: Annotated[Text, AfterValidator(_method)] | None = key(
        "method",
        "of HTTP: any but `CONNECT`; of `grpc`: `package.Service/Method`",
        default="`POST`; of `grpc` required",
        example="POST",
    )
    proto: Annotated[str | None, BeforeValidator(_proto), WithJsonSchema({"type": "string"})] = key(
        "proto", "of `grpc`: where its `method` is defined", default="required there", example="service.proto"
    )
    port: Annotated[str | int, BeforeValidator(_port)] | None = key(
        "port",
        "the port of the serving container that the load goes to, by name or number",
        default="the one named `http` (of gRPC: `grpc`)",
    )
    headers: Texts | None = key(
        "headers", "headers of HTTP, metadata of gRPC", default="none", example="{X-Route: canary}"
    )
    auth: AuthKeys | None = key(
        "auth",
        "a bearer token to send: `{bearer: {env: NAME}}` or `{bearer: {file: FILE}}`",
        default="none",
        fix=_AUTH,
    )
    tls: Annotated[TlsSpec, From(Either[Annotated[bool, BeforeValidator(_speaks_tls)], TlsKeys], _tls)] | None = key(
        "tls", "the servers speak TLS: `true`, or `{ca: FILE, server_name: NAME}`", default="no TLS", fix=_TLS
    )
    check: Annotated[CheckSpec, From(CheckKeys, _check)] | None = key(
        "check",
        "what a correct answer is, beyond what the protocol asks",
        default="nothing more",
        example="{status: 200, json: [{path: $.model, equals: iris}], schema: answer.json}",
    )
    model: Text | None = key(
        "model",
        "the model's name in the paths of `v2` and `tensorflow` and in the requests of `v2-grpc`",
        example="iris",
    )
    connections: Positive | None = key(
        "connections", "most connections open at once, over all replicas", default="32", example="32"
    )
    timeout_s: Duration | None = key("timeout", "a request not answered in this time is an error", default="5s")
    warm_up_s: Pause | None = key("warm_up", "load applied and thrown away first", default="1s")
    step_s: Duration | None = key("step", "length of each window of the search for the highest rate", default="2s")
    ready_timeout_s: Duration | None = key("ready_timeout", "how long a server may take to get ready", default="60s")
    seed: Natural | None = key("seed", "of the arrival times", default="0", example="0")


# --------------------------------------------------------------------------------- slo, objectives, budget, prices


def _bounds(node: Node) -> list[Constraint]:
    if not isinstance(node, Mapping):
        raise Wrong("{key} is {found}, not a mapping")
    found: list[Constraint] = []
    wrong: Located = []
    for metric, bound in node.items():
        if not isinstance(bound, Scalar) or bound.value is None:
            message = "the bound on {key} is {found}, not a value"
            wrong.append(((metric,), Wrong(message, "write for example {key}: 100ms")))
            continue
        try:
            found.append(bound_on(metric, bound.text))
        except ValueError as error:
            refused = mistake(error)
            subject = f"slo {metric}" if metric in METRICS else "slo"
            wrong.append(((metric,), Wrong(f"{subject}: {refused.message}", refused.fix)))
    if wrong:
        raise together(wrong)
    return found


def _objectives(node: Node) -> list[Objective]:
    if not isinstance(node, Mapping):
        raise Wrong("{key} is {found}, not a mapping", _OBJECTIVES)
    if not node:
        raise Wrong("objectives is empty", _OBJECTIVES)
    found: list[Objective] = []
    wrong: Located = []
    for name, word in node.items():
        metric, direction = METRICS.get(name), word.text if isinstance(word, Scalar) else ""
        if metric is None:
            wrong.append(((name,), Wrong(f"objectives: unknown metric {name!r}", nearest(name, METRICS))))
        elif direction != metric.better:
            what = "the wrong direction" if direction in ("minimize", "maximize") else "not a direction"
            message = f"objective {name}: {{found}} is {what}"
            wrong.append(((name,), Wrong(message, f"write {name}: {metric.better}")))
        else:
            found.append(Objective(metric=name, direction=metric.better))
    if wrong:
        raise together(wrong)
    return found


_SLO_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        metric.name: {**(values.BOUND_SCHEMA if metric.unit == "seconds" else SCALAR), "description": metric.meaning}
        for metric in METRICS.values()
    },
}
_OBJECTIVES_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {metric.name: {"const": metric.better, "description": metric.meaning} for metric in METRICS.values()},
}


class BudgetKeys(Keys):
    """When the search ends."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["trials"]}, {"required": ["time"]}]})
    trials: Positive | None = key("trials", "how many configurations are tried", example="20")
    time_s: Duration | None = key("time", "how long the search may take", example="10m")
    confirm: Natural | None = key(
        "confirm",
        "how many times the baseline and the chosen configuration are restarted and measured again at the end",
        default="1",
        example="1",
    )

    @model_validator(mode="after")
    def _ends(self) -> BudgetKeys:
        if not {"trials", "time_s"} & self.model_fields_set:
            fix = "add at least one, for example trials: 20 or time: 10m"
            raise Wrong("budget has neither trials nor time", fix)
        return self


def _currency(code: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise Wrong("{key} is {found}, not a currency code", "write its three capitals, for example currency: EUR")
    return code


class PricesKeys(Keys):
    """What resources cost."""

    currency: (
        Annotated[Text, AfterValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})] | None
    ) = key("currency", "three capitals", default="`USD`", example="EUR")
    core_hour: Amount | None = key("core_hour", "of a requested core, an hour", default="0.03", example="0.03")
    gib_hour: Amount | None = key("gib_hour", "of a requested GiB of memory, an hour", default="0.004", example="0.004")
    gpu_hour: Amount | None = key("gpu_hour", "of a requested GPU, an hour", default="2.5", example="2.5")


# -------------------------------------------------------------------------------------------------------- local


def _command(node: Node) -> tuple[str, ...]:
    found = values.texts(node)
    example = "write for example command: [python, serve.py]"
    try:
        words = found if isinstance(node, Sequence) else [word for one in found or () for word in shlex.split(one)]
    except ValueError as error:
        raise Wrong(f"command is {{found}}: {error}", example) from None
    if not words:
        raise Wrong("command is {found}, not a list of words", example)
    return tuple(words)


class ImageKeys(Keys):
    """How this machine runs what an image holds."""

    command: Annotated[Any, BeforeValidator(_command), WithJsonSchema(_VALUES)] = key(
        "command",
        "what the image would run, as a list or one line; `args` of the manifest follow it",
        default="the manifest's command",
    )
    requirements: Annotated[File, AfterValidator(Path.resolve)] | None = key(
        "requirements",
        "a requirements file; its virtual environment is made once and kept by its hash",
        default="this Python",
    )
    folder: Annotated[Folder, AfterValidator(Path.resolve)] | None = key(
        "folder", "the working folder", default="the file's"
    )
    env: Texts | None = key(
        "env", "what the image sets; the manifest's `env` wins", default="none", example="{MODEL_NAME: Iris}"
    )
    image: Text | None = key("image", "the image this is for", default="every container", example="iris:1.0")


Image = Annotated[
    LocalImage, From(ImageKeys), _mapping("an image is {found}, not a mapping", "write {image: NAME, command: [...]}")
]


class LocalKeys(ImageKeys):
    """How this machine runs what images hold."""

    overcommit: Flag | None = key(
        "overcommit", "`true`: run configurations larger than this machine", default="`false`"
    )
    images: list[Image] | None = key(
        "images",
        "for several images: a list of mappings with the keys above",
        fix="write each image in a mapping of its own after '- '",
    )


def _local(keys: LocalKeys) -> LocalSpec:
    own = {name: value for name, value in given(keys).items() if name in ImageKeys.model_fields}
    images = keys.images if keys.images is not None else [LocalImage(**own)] if own else []
    return LocalSpec(images=tuple(images), overcommit=bool(keys.overcommit))


# ------------------------------------------------------------------------------------------------------ the file


def _name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        fix = "use at most 40 lower-case letters, digits and -, as Kubernetes names do"
        raise Wrong("{key} is {found}, not a name", fix)
    return name


class SpaceKeys(Keys):
    """A search space of tuner: what may vary of a model server, how it is loaded, and what is best."""

    name: Annotated[Text, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})] = key(
        "name",
        "the study's name: at most 40 lower-case letters, digits and `-`",
        example="iris",
        required="add name: NAME, which names the study and its objects",
        instead="x",
    )
    manifest: File = key(
        "manifest",
        "the Kubernetes manifest to tune, one or several documents",
        required="add manifest: FILE, the Kubernetes manifest to tune",
        instead=".",
    )
    container: Text | None = key(
        "container", "the container whose knobs are set", default="the only one", example="classifier"
    )
    parameters: dict[
        str, Annotated[ParameterKeys, _mapping("{key} is {found}, not a mapping", f"write for example {PARAMETER}")]
    ] = key(
        "parameters",
        "what may vary",
        required=f"add what may vary, for example {PARAMETER}",
        instead="{}",
        fix=f"write one a line, for example {PARAMETER}",
    )
    rules: list[Annotated[Any, BeforeValidator(_rule), WithJsonSchema({"type": "string"})]] | None = key(
        "rules",
        "combinations that are allowed; others are never deployed",
        default="all",
        fix="write each rule on a line of its own after '- '",
    )
    workload: WorkloadKeys = key(
        "workload",
        "how the server is put under load",
        required=_WORKLOAD,
        instead="{protocol: http, request: .}",
        fix=_WORKLOAD,
    )
    slo: Annotated[Any, BeforeValidator(_bounds), WithJsonSchema(_SLO_SCHEMA)] = key(
        "slo",
        "bounds a configuration has to meet at the common rate",
        default="none",
        example="{latency_p99: 100ms, error_ratio: 0.1%}",
    )
    objectives: Annotated[Any, BeforeValidator(_objectives), WithJsonSchema(_OBJECTIVES_SCHEMA)] = key(
        "objectives",
        "what to improve: one or several metrics with their direction",
        required=_OBJECTIVES,
        instead="{cost: minimize}",
    )
    budget: Annotated[Budget, From(BudgetKeys)] | None = key(
        "budget", "when the search ends", default="`{trials: 20}`", example="{trials: 20, time: 10m}"
    )
    prices: Annotated[Prices, From(PricesKeys)] | None = key(
        "prices", "what resources cost", default="see below", example="{core_hour: 0.03, currency: EUR}"
    )
    local: Annotated[LocalSpec, From(LocalKeys, _local)] | None = key(
        "local",
        "how this machine runs what the image holds",
        default="the manifest's command",
        example="{command: [python, serve.py]}",
    )
