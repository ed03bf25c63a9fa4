"""Every key of the search-space file: what may stand there, what it means, and an example.

Fields are called as in `tuner.space.model`, and aliased where their keys are not, so that most models become one of its
nouns by a single step (`From`). A key that is not in the file is not set, and the noun's own default holds.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast, get_args

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

from tuner.errors import Mistake
from tuner.nearest import nearest
from tuner.space.bounds import bound_on
from tuner.space.document import Mapping, Node, Scalar, Sequence
from tuner.space.file import values as v
from tuner.space.file.shape import SHAPE_SCHEMA, read_shape
from tuner.space.metrics import METRICS
from tuner.space.model import (
    Admission,
    Budget,
    ClusterSpec,
    Constraint,
    Disturbed,
    LoadPodSpec,
    LocalImage,
    LocalSpec,
    Objective,
    Prices,
)
from tuner.space.values import Value
from tuner.units import quantity
from tuner.workload.json_path import parse_path
from tuner.workload.length import Length
from tuner.workload.model import GRPC_PROTOCOLS, CheckSpec, PathCheck, ProtocolName, RequestSource, TlsSpec
from tuner.workload.shapes import MOST_CV, Arrival

PARAMETER = "workers: {int: [1, 4], set: env/GUNICORN_WORKERS}"
_NAME = r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?"
_OBJECT = r"[A-Za-z]+(/[^/\s]+){1,3}"
_OBJECT_FIX = "write the workload's kind and name, for example object: Deployment/iris"
_METHOD = re.compile(r"/?[A-Za-z_][\w.]*/[A-Za-z_]\w*", re.ASCII)
_AUTH = "write for example auth: {bearer: {env: TOKEN}} or auth: {bearer: {file: token}}"
_TLS = "write tls: true, or for example tls: {ca: ca.pem, server_name: model.example}"
_PATH = "write for example {path: $.outputs[0].data} or {path: $.model, equals: iris}"
_LENGTH = "write duration: {least: 3s, most: 30s}, or a plain duration: 5s"
_WORKLOAD = "add workload: {protocol: seldon, request: request.json}"
_ADD_NAME = "add name: NAME, which names the study and its objects"
_ADD_MANIFEST = "add manifest: FILE, the Kubernetes manifest to tune"
_ADD_REQUEST = "add request: FILE, the body to send (an empty file where there is none)"
_ADD_PROTOCOL = f"add protocol: one of {', '.join(get_args(ProtocolName))}"
_ADD_PARAMETERS = f"add what may vary, for example {PARAMETER}"
_PARAMETERS = f"write one a line, for example {PARAMETER}"
_RULES = "write each rule on a line of its own after '- '"
_KNOWN = "write each on a line of its own after '- ', for example - {workers: 4}"
_IMAGES = "write each image in a mapping of its own after '- '"
_CHECK = "{status: 200, json: [{path: $.model, equals: iris}], schema: answer.json}"
_PROTOCOLS = (
    "`seldon`, `v2` (open inference), `tensorflow`, `http` or `openai`; over gRPC `seldon-grpc`, `v2-grpc` or `grpc`"
)
_DURATION = (
    "length of the window at the common rate; or `{least: 3s, most: 30s, within: 10%}`: as long as it takes until the "
    "SLO's verdict is certain, or latencies are known to `within` to each side"
)
_OBJECTIVES = "write for example objectives: {throughput: maximize, cost: minimize}"


class Keys(BaseModel):
    """A mapping with known keys. What is not in the file is not set. Models are built when they are first needed."""

    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


def key(meaning: str, default: str = "", example: str = "", *, alias: str | None = None, **told: str) -> Any:
    """A field for a key of its name, or for `alias`. `default`: what holds without it, in words. More may be told:

    `required`: it must be there, and what to add where it is not; `fix`: what to do about a wrong kind of value (else:
    write the example).
    """
    extra = {"default": default, "example": example, "required": "", "fix": ""} | told
    first = ... if extra["required"] else None
    return Field(first, alias=alias, description=meaning, json_schema_extra=cast("Any", extra))


def given(keys: Keys) -> dict[str, Any]:
    """The fields that are in the file."""
    return {name: getattr(keys, name) for name in keys.model_fields_set}


@dataclass(frozen=True, slots=True)
class From:
    """The annotated noun is made of what `keys` describes: by `make`, or of a model's fields as they are. `plain`: the
    field that a value has which stands in place of the mapping."""

    keys: Any
    make: Callable[[Any], Any] | None = None
    plain: str = ""

    def __get_pydantic_core_schema__(self, noun: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def as_is(found: Any) -> Any:
            return noun(**(given(found) if isinstance(found, Keys) else {self.plain: found}))

        make = self.make or as_is
        return core_schema.no_info_after_validator_function(make, handler.generate_schema(self.keys))


def _mapping(message: str, fix: str) -> BeforeValidator:
    def check(node: Node) -> Node:
        if not isinstance(node, Mapping):
            raise v.Wrong(message, fix)
        return node

    return BeforeValidator(check)


def _range(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Sequence) or len(node) != 2:
        found = f"a list of {len(node)}" if isinstance(node, Sequence) else "{found}"
        raise v.Wrong(f"{{key}} of {{name}} is {found}, not [low, high]")
    return tuple(node)


def _choice(node: Node) -> Value | None:
    found = v.value(node)
    return None if isinstance(found, float) and v.finite(node) is None else found


def _choices(node: Node) -> Node:
    if isinstance(node, Sequence) and not node:
        raise v.Wrong("the choices of {name} are empty", "list at least one value")
    return node


def _step(node: Node, info: ValidationInfo) -> float:
    if info.data.get("whole", ()) is not None:
        stride = v.whole(node, 1)
        if stride is None:
            raise v.Wrong("step is {found}, not a whole number of at least 1", "write for example step: 2")
        return stride
    step = v.finite(node)
    if step is None or step <= 0:
        raise v.Wrong("step is {found}, not a number above 0")
    return step


def _when(node: Node) -> tuple[str, list[Scalar]]:
    if not isinstance(node, Mapping) or len(node) != 1:
        found = f"a mapping of {len(node)}" if isinstance(node, Mapping) else "{found}"
        fix = "name one other parameter and its value or values, for example when: {batching: true}"
        raise v.Wrong(f"when of {{name}} is {found}, not one condition", fix)
    ((other, node),) = node.items()
    scalars = [item for item in v.items(node) if isinstance(item, Scalar) and item.value is not None]
    if not scalars or len(scalars) < len(v.items(node)):
        raise v.Wrong(f"when of {{name}} does not give values of {other!r}", f"write for example when: {{{other}: 1}}")
    return other, scalars


_ABOVE_ZERO = WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
_CONDITION = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": v.SCALARS}
_WHOLE = v.Leaf(
    lambda node: v.whole(node, -v.LARGEST),
    "a bound of {name} is {found}, not a whole number",
    schema={"type": "integer"},
)
_REAL = v.Leaf(v.finite, "a bound of {name} is {found}, not a number", schema={"type": "number"})
_CHOICE = v.Leaf(
    _choice, "a choice of {name} is {found}, not a value", "write a number, true, false or a text in quotes"
)
_TARGETS = v.Leaf(v.texts, "an address or a list of them", schema=v.SCALARS)
_ONE_DOMAIN: Any = {"required": ["set"], "oneOf": [{"required": [domain]} for domain in ("int", "float", "choices")]}


class ParameterKeys(Keys):
    """One knob."""

    model_config = ConfigDict(json_schema_extra=_ONE_DOMAIN)
    whole: Annotated[tuple[Annotated[int, _WHOLE], Annotated[int, _WHOLE]] | None, BeforeValidator(_range)] = key(
        "`[low, high]`, whole numbers, both included", "", "[1, 4]", alias="int"
    )
    real: Annotated[tuple[Annotated[float, _REAL], Annotated[float, _REAL]] | None, BeforeValidator(_range)] = key(
        "`[low, high]`, numbers, both included", "", "[0.1, 0.9]", alias="float"
    )
    choices: Annotated[list[Annotated[Any, _CHOICE]] | None, Field(min_length=1), BeforeValidator(_choices)] = key(
        "a list of values; quantities as quantities (`1000m` and `1` are the same)", "", "[1, 2, 4]"
    )
    log: v.Flag = key("`true`: a range is searched evenly in the logarithm", "`false`", "true")
    step: Annotated[float | None, BeforeValidator(_step), _ABOVE_ZERO] = key(
        "how far apart the values of a range are", "1; of `float` continuous", "0.1"
    )
    targets: Annotated[list[str] | None, _TARGETS] = key(
        "an address, or a list of them that all get the value", "required", "[limits/cpu, requests/cpu]", alias="set"
    )
    when: Annotated[tuple[str, list[Scalar]] | None, v.Leaf(_when, "", schema=_CONDITION)] = key(
        "`{parameter: value}` or `{parameter: [values]}`: exists only then", "always", "{batching: true}"
    )
    container: v.Text | None = key("another container than the file's", "", "classifier")


def _weight(node: Node) -> float | None:
    weight = v.finite(node, 0)
    if weight == 0:
        raise v.Wrong("{key} is {found}, not above 0", "write a greater weight, or remove the file")
    return weight


class RequestKeys(Keys):
    """A request file, and its share among several."""

    path: v.File = key(
        "a file with the body", required="write for example {file: request.json, weight: 2}", alias="file"
    )
    weight: Annotated[
        float, v.Leaf(_weight, "a number of at least 0", schema={"type": "number", "exclusiveMinimum": 0})
    ] = key("its share among several", "1", "2")
    template: v.Flag = key("it holds placeholders, see below", "`false`")


def _request(node: Node) -> Node:
    if not isinstance(node, Mapping) and v.written(node) is None:
        raise v.Wrong("a request is {found}, not a file", "write request.json or {file: request.json, weight: 2}")
    return node


Request = Annotated[RequestSource, From(v.Either[v.File, RequestKeys], plain="path"), BeforeValidator(_request)]


def _most(most_s: float, info: ValidationInfo) -> float:
    if most_s < info.data.get("least_s", 0.0):
        fix = "write for example duration: {least: 3s, most: 30s}"
        raise v.Wrong("most is {found}, not at least as long as least", fix)
    return most_s


class LengthKeys(Keys):
    """As long as it takes to be sure."""

    least_s: v.Duration = key("measured at least so long", required=_LENGTH, alias="least")
    most_s: Annotated[v.Duration, AfterValidator(_most)] = key(
        "and at most so long in all", required=_LENGTH, alias="most"
    )
    within: v.Share = key("half-width, as a share of the value, at which an interval is tight enough", "10%")


def _variable(node: Node) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", v.text(node)):
        fix = "write the name of an environment variable, for example env: TOKEN"
        raise v.Wrong("env is not the name of a variable", fix)
    return v.text(node)


class BearerKeys(Keys):
    """Where the token is found: just one of both."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["env"]}, {"required": ["file"]}]})
    env: Annotated[str, v.Leaf(_variable, "")] = key("an environment variable", "", "TOKEN")
    file: v.AnyPath = key("a file; it may be missing until load starts", "", "token")

    @model_validator(mode="after")
    def _one_place(self) -> BearerKeys:
        if len(self.model_fields_set) != 1:
            found = "both env and file" if self.model_fields_set else "neither env nor file"
            raise v.Wrong(f"bearer has {found}", _AUTH)
        return self


class AuthKeys(Keys):
    """Who asks."""

    # what stands there may be the token itself: it is not shown
    bearer: Annotated[BearerKeys, _mapping("bearer does not say where the token is found", _AUTH)] = key(
        "where the token is found", required=_AUTH
    )


class TlsKeys(Keys):
    """The servers speak TLS."""

    ca: v.File = key("PEM file of the authorities to trust", "the system's")
    server_name: v.Text = key("name in the certificate", "the host", "model.example")


def _tls(found: Any) -> TlsSpec | None:
    return TlsSpec(**given(found)) if isinstance(found, TlsKeys) else TlsSpec() if found else None


def _json_path(node: Node) -> str:
    parse_path(v.text(node))
    return v.text(node)


def _equals(node: Node) -> str | None:
    try:
        return json.dumps(_plain(node), allow_nan=False)
    except ValueError:
        return None


def _plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.value
    return {name: _plain(item) for name, item in node.items()} if isinstance(node, Mapping) else [*map(_plain, node)]


_EQUALS = v.Leaf(
    _equals,
    "a value that JSON has",
    "write a text, a number, true, false, null, a list or a mapping",
    schema=v.ANYTHING,
)


class PathKeys(Keys):
    """What a JSON answer must hold at a path."""

    path: Annotated[str, v.Leaf(_json_path, "")] = key(
        "a JSONPath; it must select something", "", "$.outputs[0].data", required=_PATH
    )
    equals: Annotated[str, _EQUALS] = key("the value of all it selects")


_STATUS = v.Leaf(
    lambda node: v.whole(node, 200, 599),
    "an HTTP status",
    "write a status from 200 to 599, or a list of them, for example status: [200, 202]",
    {"type": "integer", "minimum": 200, "maximum": 599},
)


class CheckKeys(Keys):
    """What a correct answer is."""

    statuses: Annotated[list[Annotated[int, _STATUS]], v.Several()] = key(
        "protocol `http`: a status or a list of them", "any from 200 to 299", alias="status"
    )
    paths: Annotated[
        list[Annotated[PathCheck, From(PathKeys), _mapping("a check of JSON is {found}, not a mapping", _PATH)]],
        v.Several(),
    ] = key("values at JSON paths", alias="json")
    schema_file: v.File = key("JSON Schema of the answer", alias="schema")
    ignore: Annotated[list[Annotated[str, v.Leaf(_json_path, "")]], v.Several()] = key(
        "JSONPaths of what may differ from answer to answer", "what differs between the baseline's own answers", "$.id"
    )


def _check(keys: CheckKeys) -> CheckSpec:
    statuses = dict.fromkeys(keys.statuses or ())
    return CheckSpec(
        statuses=tuple(statuses),
        paths=tuple(keys.paths or ()),
        schema=keys.schema_file,
        ignore=tuple(dict.fromkeys(keys.ignore or ())),
    )


def _method(node: Node, info: ValidationInfo) -> str:
    method, protocol = v.written(node), info.data.get("protocol", "http")
    if method is None:
        example = "package.Service/Method" if protocol in GRPC_PROTOCOLS else "POST"
        raise v.Wrong("{key} is {found}, not a text", f"write for example method: {example}")
    if protocol == "grpc" and not _METHOD.fullmatch(method):
        raise v.Wrong("{key} is {found}, not a gRPC method", "write for example method: package.Service/Method")
    if protocol not in GRPC_PROTOCOLS and not re.fullmatch(r"[A-Z]+", method):
        fix = f"write it in capitals, for example method: {method.upper()[:20]}"
        raise v.Wrong("{key} is {found}, not an HTTP method", fix)
    return method


def _proto(node: Node, info: ValidationInfo) -> str | None:
    if info.data.get("protocol") != "grpc":
        return None  # a key of another protocol, whose fault is told elsewhere
    found = v.text(node)
    return found.rstrip("/") if found.startswith(("grpc://", "grpcs://")) else str(v.existing(node, info))


def _port(node: Node) -> str | int | None:
    found = v.value(node)
    return found or None if isinstance(found, str) else v.whole(node, 1, 65535)


def _url_path(node: Node) -> str:
    path = v.text(node)
    if not path.startswith("/"):
        raise v.Wrong("{key} is {found}, not a path", f"write path: /{path}")
    return path


def _cv(node: Node) -> float | None:
    cv = v.finite(node, 0)
    if cv is not None and not 0.0 < cv <= MOST_CV:
        fix = "write for example cv: 2; cv: 1 is poisson"
        raise v.Wrong(f"{{key}} is {{found}}, not above 0 and at most {MOST_CV:g}", fix)
    return cv


_CV = v.Leaf(_cv, "a number of at least 0", schema={"type": "number", "exclusiveMinimum": 0, "maximum": MOST_CV})
_PORT = v.Leaf(_port, "the name or number of a port", "write for example port: grpc or port: 5000")


class WorkloadKeys(Keys):
    """How a server is put under load."""

    protocol: Annotated[ProtocolName, v.one_of(ProtocolName)] = key(_PROTOCOLS, required=_ADD_PROTOCOL)
    requests: Annotated[list[Request], v.Several("a file or a list of them")] = key(
        "a file with the body, or a list of `{file: ..., weight: ..., template: ...}`",
        "",
        "request.json",
        required=_ADD_REQUEST,
        alias="request",
    )
    rate_rps: v.Rate | None = key(
        "the common rate, such as `200/s`", "half of the baseline's capacity, then fixed", alias="rate"
    )
    arrival: Annotated[Arrival | None, v.one_of(Arrival)] = key(
        "how gaps are drawn: `poisson`, `constant`, `gamma`; or `closed`, see below", "`poisson`"
    )
    cv: Annotated[float | None, _CV] = key(
        "coefficient of variation of `gamma` gaps: 1 is Poisson, above it requests come in bursts", "1", "2"
    )
    think_s: v.Pause | None = key(
        "mean pause of a user of a `closed` loop between an answer and the next request", "none", alias="think"
    )
    shape: Annotated[Any, BeforeValidator(read_shape), WithJsonSchema(SHAPE_SCHEMA)] = key(
        "how the rate changes within the window at the common rate, see below", "it does not"
    )
    length: Annotated[Length, From(v.Either[v.Duration, LengthKeys], plain="least_s")] | None = key(
        _DURATION, "5s", alias="duration"
    )
    path: Annotated[str | None, v.Leaf(_url_path, "")] = key(
        "where the protocol's own will not do", "the protocol's", "/predict"
    )
    method: Annotated[str, BeforeValidator(_method), WithJsonSchema({"type": "string"})] = key(
        "any but `CONNECT`; of `grpc`: `package.Service/Method`", "`POST`; of `grpc` required", "POST"
    )
    proto: Annotated[str | None, BeforeValidator(_proto), WithJsonSchema({"type": "string"})] = key(
        "of `grpc`: where its `method` is defined", "required there", "service.proto"
    )
    port: Annotated[str | int, _PORT] = key(
        "the serving container's port to send to, by name or number", "that named `http` (gRPC: `grpc`)"
    )
    headers: v.Texts = key("headers of HTTP, metadata of gRPC", "none", "{X-Route: canary}")
    auth: AuthKeys | None = key(
        "a bearer token to send: `{bearer: {env: NAME}}` or `{bearer: {file: FILE}}`", "none", fix=_AUTH
    )
    tls: Annotated[
        TlsSpec,
        From(v.Either[Annotated[bool, v.Leaf(v.truth, "true or a mapping", _TLS, {"type": "boolean"})], TlsKeys], _tls),
    ] = key("the servers speak TLS: `true`, or `{ca: FILE, server_name: NAME}`", "no TLS", fix=_TLS)
    check: Annotated[CheckSpec, From(CheckKeys, _check)] = key(
        "what a correct answer is, beyond what the protocol asks", "nothing more", _CHECK
    )
    model: v.Text | None = key(
        "the model's name in the paths of `v2` and `tensorflow` and in the requests of `v2-grpc`", "", "iris"
    )
    connections: v.Positive = key("most connections open at once, over all replicas", "32", "32")
    timeout_s: v.Duration = key("a request not answered in this time is an error", "5s", alias="timeout")
    warm_up_s: v.Pause = key("load applied and thrown away first", "1s", alias="warm_up")
    step_s: v.Duration = key("length of each window of the search for the highest rate", "2s", alias="step")
    ready_timeout_s: v.Duration = key("how long a server may take to get ready", "60s", alias="ready_timeout")
    seed: v.Natural = key("of the arrival times", "0", "0")


def _bounds(node: Node) -> list[Constraint] | None:
    def read(metric: str, bound: Node) -> Constraint:
        if not isinstance(bound, Scalar) or bound.value is None:
            raise v.Wrong("the bound on {key} is {found}, not a value", "write for example {key}: 100ms")
        try:
            return bound_on(metric, bound.text)
        except Mistake as error:
            subject = f"slo {metric}" if metric in METRICS else "slo"
            raise v.Whole(f"{subject}: {error.message}", error.fix) from None

    return v.each(node.items(), read) if isinstance(node, Mapping) else None


def _objectives(node: Node) -> list[Objective] | None:
    def read(name: str, word: Node) -> Objective:
        metric, direction = METRICS.get(name), word.text if isinstance(word, Scalar) else ""
        if metric is None:
            raise v.Whole(f"objectives: unknown metric {name!r}", nearest(name, METRICS))
        if direction != metric.better:
            what = "the wrong direction" if direction in ("minimize", "maximize") else "not a direction"
            raise v.Wrong(f"objective {name}: {{found}} is {what}", f"write {name}: {metric.better}")
        return Objective(metric=name, direction=metric.better)

    if isinstance(node, Mapping) and not node:
        raise v.Wrong("objectives is empty", _OBJECTIVES)
    return v.each(node.items(), read) if isinstance(node, Mapping) else None


def _by_metric(schema: Callable[[Any], dict[str, Any]], least: int = 0) -> dict[str, Any]:
    keys = {metric.name: {**schema(metric), "description": metric.meaning} for metric in METRICS.values()}
    return {"type": "object", "additionalProperties": False, "minProperties": least, "properties": keys}


_SLO_SCHEMA = _by_metric(lambda metric: v.BOUND if metric.unit == "seconds" else v.SCALAR)
_OBJECTIVES_SCHEMA = _by_metric(lambda metric: {"const": metric.better}, least=1)


class BudgetKeys(Keys):
    """When the search ends."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [key]} for key in ("trials", "time", "cost")]})
    trials: v.Positive = key("how many configurations are tried", "", "20")
    time_s: v.Span = key("how long the search may take", "", "10m", alias="time")
    cost: v.Sum = key("what the trials may request in all, by `prices` and how long they take", "", "5 USD")
    gain: v.Share = key(
        "no search goes on where ten more trials would bring less, even with luck; it takes a model (`--sampler auto`)",
        "",
        "1%",
    )
    confirm: v.Natural = key(
        "fresh starts of what is chosen, and of the baseline beside it, after the search; the leaders race for it with up "
        "to four times as many in all; 0: none",
        "3",
        "3",
    )


_CURRENCY = v.of_form("[A-Z]{3}", "a currency code", "write its three capitals, for example currency: EUR")


class PricesKeys(Keys):
    """What resources cost."""

    currency: Annotated[str, _CURRENCY] = key("three capitals", "`USD`", "EUR")
    core_hour: v.Amount = key("of a requested core, an hour", "0.03", "0.03")
    gib_hour: v.Amount = key("of a requested GiB of memory, an hour", "0.004", "0.004")
    gpu_hour: v.Amount = key("of a requested GPU, an hour", "2.5", "2.5")


def _command(node: Node) -> tuple[str, ...] | None:
    found = v.texts(node) or []
    try:
        words = found if isinstance(node, Sequence) else [word for one in found for word in shlex.split(one)]
    except ValueError as error:
        raise v.Wrong(f"command is {{found}}: {error}", "write for example command: [python, serve.py]") from None
    return tuple(words) or None


_COMMAND = v.Leaf(_command, "a list of words", "write for example command: [python, serve.py]", v.SCALARS)


class ImageKeys(Keys):
    """How this machine runs what an image holds."""

    command: Annotated[tuple[str, ...], _COMMAND] = key(
        "what is run in place of the image's program and the manifest's `command`, a list or one line; `args` follow it",
        "the manifest's",
    )
    requirements: Annotated[v.File, AfterValidator(Path.resolve)] = key(
        "a requirements file; its virtual environment is made once and kept by its hash", "this Python"
    )
    folder: Annotated[v.Folder, AfterValidator(Path.resolve)] = key("the working folder", "the file's")
    env: v.Texts = key("what the image sets; the manifest's `env` wins", "none", "{MODEL_NAME: Iris}")
    image: v.Text = key("the image this is for", "every container", "iris:1.0")


_IMAGE = _mapping("an image is {found}, not a mapping", "write {image: NAME, command: [...]}")


class LocalKeys(ImageKeys):
    """How this machine runs what images hold."""

    overcommit: v.Flag = key("`true`: run configurations larger than this machine", "`false`")
    images: list[Annotated[LocalImage, From(ImageKeys), _IMAGE]] | None = key(
        "for several images: a list of mappings with the keys above", fix=_IMAGES
    )


def _local(keys: LocalKeys) -> LocalSpec:
    own = {name: found for name, found in given(keys).items() if name in ImageKeys.model_fields}
    images = keys.images if keys.images is not None else [LocalImage(**own)] if own else []
    return LocalSpec(images=tuple(images), overcommit=bool(keys.overcommit))


_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL = "labels are letters, digits, -, _ and . (at most 63), a domain and / before the key: team: scoring"
_PULL = Literal["Always", "IfNotPresent", "Never"]


def _labels(node: Node) -> MappingProxyType[str, str] | None:
    if not isinstance(node, Mapping):
        return None
    found = {}
    for name, one in node.items():
        value = v.text(one) if not isinstance(one, Scalar) or one.value != "" else ""
        if not _LABEL_KEY.fullmatch(name) or not _LABEL_VALUE.fullmatch(value):
            raise v.Whole(f"{name}: {value} is no label", _LABEL)
        found[name] = value
    return MappingProxyType(found)


_STRINGS = {"type": "object", "additionalProperties": v.SCALAR}
_LABELS = v.Leaf(_labels, "a mapping", "write for example {key}: {example}", _STRINGS)


def _amount(node: Node) -> str | None:
    found = v.written(node)
    if found is not None and quantity(found) <= 0:
        raise v.Wrong("{key} is {found}, not above 0")
    return found


_QUANTITY = v.Leaf(_amount, "a quantity", "write for example {key}: {example}")


def _toleration(node: Node) -> dict[str, Any] | None:
    found = _plain(node)
    known = ("key", "operator", "value", "effect", "tolerationSeconds")
    if not isinstance(found, dict) or not found.keys() <= set(known):
        return None
    return {name: part if name == "tolerationSeconds" else str(part) for name, part in found.items()}


_TOLERATION = v.Leaf(
    _toleration,
    "a toleration",
    "write for example tolerations: [{key: dedicated, operator: Exists}]",
    {"type": "object"},
)


class LoadPodKeys(Keys):
    """The pod of the load generator inside the cluster."""

    image: v.Text = key(
        "its image; `--load-image` goes before", "`tuner-load:VERSION`", "registry.example/tuner-load:1"
    )
    image_pull_secrets: Annotated[list[v.Text], v.Several()] = key("Secrets to pull it with", "none", "[registry]")
    image_pull_policy: Annotated[str, v.one_of(_PULL)] = key("`Always`, `IfNotPresent` or `Never`", "the cluster's")
    node_selector: Annotated[Any, _LABELS] = key("labels of the nodes it may run on", "any node", "{pool: load}")
    tolerations: Annotated[list[Annotated[Any, _TOLERATION]], v.Several()] = key(
        "as Kubernetes has them, beside that of `tuner.dev/load`", "none", "[{key: dedicated, operator: Exists}]"
    )
    service_account: v.Text = key("its service account, no token of which is mounted", "`default`", "load")
    priority_class: v.Text = key("its priority class", "the cluster's", "low")
    labels: Annotated[Any, _LABELS] = key("more labels of its Job and pod", "none", "{team: scoring}")
    annotations: v.Texts = key("annotations of its pod", "none", '{sidecar.istio.io/inject: "false"}')
    cpu: Annotated[str, _QUANTITY] = key(
        "CPU of each engine process; below 1 it is throttled, and late sends void the windows of higher rates",
        "1",
        "500m",
    )
    memory: Annotated[str, _QUANTITY] = key("memory of each engine process", "512Mi", "256Mi")


def _load_pod(keys: LoadPodKeys) -> LoadPodSpec:
    lists = ("image_pull_secrets", "tolerations")
    fields: dict[str, Any] = {name: tuple(x) if name in lists else x for name, x in given(keys).items()}
    return LoadPodSpec(**fields)


class ClusterKeys(Keys):
    """How a study behaves in a cluster that others share."""

    admission: Annotated[Admission, v.one_of(Admission)] = key(
        "pods that admission changed other than in a knob: `accept` measures them and records what was changed, "
        "`refuse` does not run them",
        "`accept`",
    )
    labels: Annotated[Any, _LABELS] = key(
        "labels of every object the tuner makes for itself, beside its own", "none", "{team: scoring}"
    )
    node_selector: Annotated[Any, _LABELS] = key(
        "labels of the nodes trials run on, beside what the manifest asks for; not exported", "any node", "{pool: a}"
    )
    lease_namespace: v.Text | None = key(
        "where a lease on each node tells studies of each other, so that two never measure on one node at once; the "
        "same for all studies that share nodes",
        "the trials' own namespace",
        "tuning",
    )
    apart: v.Flag = key(
        "of trials beside each other (`--parallel`) no two have pods on one node; else they may, one measured and the others "
        "about to start",
        "`false`",
        "true",
    )
    load_generator: Annotated[LoadPodSpec, From(LoadPodKeys, _load_pod)] = key(
        "the pod of the load generator, see below", "as below", "{cpu: 500m, node_selector: {pool: load}}"
    )


_NAMED = "use at most 40 lower-case letters, digits and -, as Kubernetes names do"
_RULE = v.Leaf(
    lambda node: node if v.value(node) is not None else None,
    "a rule is {found}, not a text",
    "write a condition such as workers * threads <= 16",
    {"type": "string"},
)
_POINT = v.Leaf(
    lambda node: node if isinstance(node, Mapping) and node else None,
    "a known configuration is {found}, not values of parameters",
    "write for example {workers: 4}",
    {"type": "object", "minProperties": 1, "additionalProperties": v.SCALAR},
)
_PARAMETER = _mapping("{key} is {found}, not a mapping", f"write for example {PARAMETER}")


class SpaceKeys(Keys):
    """A search space of tuner: what may vary of a model server, how it is loaded, and what is best."""

    name: Annotated[str, v.of_form(_NAME, "a name", _NAMED)] = key(
        "the study's name: at most 40 lower-case letters, digits and `-`", "", "iris", required=_ADD_NAME
    )
    manifest: v.File = key("the Kubernetes manifest to tune, one or several documents", required=_ADD_MANIFEST)
    tuned: Annotated[str, v.of_form(_OBJECT, "an object", _OBJECT_FIX)] = key(
        "the workload of the manifest that is tuned, `KIND/NAME`, or `KIND/NAME/COMPONENT` of one that has several",
        "the only one",
        "Deployment/iris",
        alias="object",
    )
    container: v.Text | None = key("the container whose knobs are set", "the only one", "classifier")
    parameters: dict[str, Annotated[ParameterKeys, _PARAMETER]] = key(
        "what may vary", required=_ADD_PARAMETERS, fix=_PARAMETERS
    )
    rules: list[Annotated[Any, _RULE]] = key(
        "combinations that are allowed; others are never deployed", "all", fix=_RULES
    )
    known: list[Annotated[Any, _POINT]] = key(
        "configurations you know, tried first after the baseline; parameters that one leaves out are as in the manifest",
        "none",
        fix=_KNOWN,
    )
    workload: WorkloadKeys = key("how the server is put under load", required=_WORKLOAD, fix=_WORKLOAD)
    slo: Annotated[list[Constraint], v.Leaf(_bounds, "a mapping", schema=_SLO_SCHEMA)] = key(
        "bounds a configuration has to meet at the common rate", "none", "{latency_p99: 100ms, error_ratio: 0.1%}"
    )
    objectives: Annotated[list[Objective], v.Leaf(_objectives, "a mapping", _OBJECTIVES, _OBJECTIVES_SCHEMA)] = key(
        "what to improve: one or several metrics with their direction", required=_OBJECTIVES
    )
    budget: Annotated[Budget, From(BudgetKeys)] = key(
        "when the search ends", "`{trials: 20}`", "{trials: 20, time: 10m}"
    )
    prices: Annotated[Prices, From(PricesKeys)] = key(
        "what resources cost", "see below", "{core_hour: 0.03, currency: EUR}"
    )
    local: Annotated[LocalSpec, From(LocalKeys, _local)] = key(
        "how this machine runs what the image holds", "the manifest's command", "{command: [python, serve.py]}"
    )
    cluster: Annotated[ClusterSpec, From(ClusterKeys)] = key(
        "how a study behaves in a cluster that others share", "see below", "{admission: refuse}"
    )
    disturbed: Annotated[Disturbed, v.one_of(Disturbed)] = key(
        "windows measured while others used the servers' CPUs: `remeasure` them when it is quiet, within bounds, and the "
        "baseline now and then; or `accept` them as they come",
        "`remeasure`",
        "accept",
    )
