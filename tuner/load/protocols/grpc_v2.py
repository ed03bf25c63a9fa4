"""The Open Inference Protocol, version 2, over gRPC: `inference.GRPCInferenceService/ModelInfer`."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.load.grpc import wire_format
from tuner.load.model import Request
from tuner.load.protocols.grpc_method import call, refusal
from tuner.load.protocols.json_body import parse_object, shown
from tuner.load.protocols.v2 import tensors_problem

if TYPE_CHECKING:
    from tuner.load.protocols.messages import Method

_OUTPUTS = 5
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_RAW = {
    "BOOL": "<?",
    **{f"{sign}INT{8 * size}": f"<{kind}{size}" for sign, kind in (("", "i"), ("U", "u")) for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
"""numpy's names of how the elements of raw contents are laid out; BF16 and BYTES are read for themselves."""
_PARAMETERS = ((bool, "bool_param"), (int, "int64_param"), (float, "double_param"), (str, "string_param"))


class GrpcV2:
    """Bodies are those of the REST protocol. Of the answer only the output tensors count."""

    name = "v2-grpc"

    def __init__(self, options: Mapping[str, str]) -> None:
        self._model = options.get("model")

    @property
    def _method(self) -> Method:
        from tuner.load.protocols.messages import shipped

        return shipped("open_inference.proto", "inference.GRPCInferenceService/ModelInfer")

    def encode(self, body: bytes) -> Request:
        """Tensors go as typed contents; all of them as raw bytes where one is FP16 or BF16, which have no other."""
        given = parse_object(body)
        name = self._model or given.get("model_name")
        if not isinstance(name, str) or not name:
            raise ValueError("the v2-grpc protocol needs the model's name")
        problem = tensors_problem("inputs", given.get("inputs"))
        if problem:
            raise ValueError(problem)
        message: Any = self._method.request(model_name=name)
        tensors = [(tensor, _values(tensor)) for tensor in given["inputs"]]
        raw = any(str(tensor["datatype"]) in ("FP16", "BF16") for tensor, _ in tensors)
        try:
            message.model_version = given.get("model_version", "")
            message.id = given.get("id", "")
            _fill(message.parameters, given.get("parameters"))
            for tensor, values in tensors:
                written = message.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
                _fill(written.parameters, tensor.get("parameters"))
                if raw:
                    message.raw_input_contents.append(_raw(tensor["datatype"], values))
                else:
                    getattr(written.contents, _CONTENTS[tensor["datatype"]]).extend(_typed(tensor["datatype"], values))
            for output in given.get("outputs", ()):
                _fill(message.outputs.add(name=output["name"]).parameters, output.get("parameters"))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError(f"the body cannot be written as a ModelInferRequest: {error}") from None
        return call(self._method.path, message.SerializeToString(deterministic=True))

    def check(self, status: int, body: bytes) -> str | None:
        if status != 200:
            return refusal(status, body)
        try:
            numbers = {number for number, _ in wire_format.fields(body)}
        except ValueError as error:
            return str(error)
        return None if _OUTPUTS in numbers else "the answer holds no output tensor"

    def answer(self, body: bytes) -> object:
        """Raises ValueError for a tensor whose contents cannot be read."""
        message: Any = self._method.decode(body)
        raw = list(message.raw_output_contents)
        if raw and len(raw) != len(message.outputs):
            raise ValueError(f"the answer holds {len(message.outputs)} tensors and raw contents of {len(raw)}")
        outputs = [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "datatype": tensor.datatype,
                "data": list(_from_raw(tensor.datatype, raw[index]) if raw else _from_contents(tensor)),
            }
            for index, tensor in enumerate(message.outputs)
        ]
        return {"outputs": outputs}


def _values(tensor: Mapping[str, Any]) -> list[Any]:
    """The elements of an input in a row. Raises ValueError where they do not fit its shape and type."""
    name, datatype, shape = tensor["name"], tensor["datatype"], tensor["shape"]
    if datatype not in (*_CONTENTS, "FP16", "BF16"):
        raise ValueError(f"tensor {shown(name)} is of datatype {shown(datatype)}, which the protocol does not know")
    if not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"the shape of tensor {shown(name)} is {shown(shape)}, not a list of sizes")
    values = list(_flat(tensor["data"]))
    if math.prod(shape) != len(values):
        raise ValueError(f"tensor {shown(name)} has the shape {shown(shape)} and {len(values)} elements")
    return values


def _flat(data: object) -> Iterator[Any]:
    if isinstance(data, list):
        for item in data:
            yield from _flat(item)
    else:
        yield data


def _typed(datatype: str, values: list[Any]) -> list[Any]:
    return [str(value).encode() for value in values] if datatype == "BYTES" else values


def _raw(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(len(item).to_bytes(4, "little") + item for item in _typed(datatype, values))
    if datatype == "BF16":  # the upper half of a 32-bit number
        return (np.asarray(values, dtype="<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return np.asarray(values, dtype=_RAW[datatype]).tobytes()


def _from_raw(datatype: str, content: bytes) -> Iterator[object]:
    if datatype == "BYTES":
        at = 0
        while at < len(content):
            end = at + 4 + int.from_bytes(content[at : at + 4], "little")
            yield _text(content[at + 4 : end])
            at = end
        return
    if datatype == "BF16":
        wide: npt.NDArray[Any] = np.frombuffer(content, dtype="<u2").astype("<u4") << 16
        yield from wide.view("<f4").tolist()
        return
    if datatype not in _RAW:
        raise ValueError(f"an output is of datatype {datatype!r}, which the protocol does not know")
    yield from np.frombuffer(content, dtype=_RAW[datatype]).tolist()


def _from_contents(tensor: Any) -> Iterator[object]:
    """Whichever list is filled: servers do not all hold to the one that the datatype asks for."""
    for field, values in tensor.contents.ListFields():
        yield from map(_text, values) if field.name == "bytes_contents" else values


def _text(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _fill(parameters: Any, given: Mapping[str, object] | None) -> None:
    for name, value in (given or {}).items():
        field = next((field for kind, field in _PARAMETERS if isinstance(value, kind)), None)
        if field is None:
            raise ValueError(f"the parameter {name} is {shown(value)}, not a number, a text, true or false")
        setattr(parameters[name], field, value)
