"""The Open Inference Protocol, version 2, over REST (KServe's specification of it, `inference_rest.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.load.model import Request
from tuner.load.protocols.json_body import HEADERS, parse_answer, parse_object, shown

_TENSOR = ("name", "shape", "datatype", "data")


class V2:
    """POST /v2/models/{model}/infer. Of the answer only the output tensors count; ids and versions may differ."""

    name = "v2"

    def __init__(self, options: Mapping[str, str]) -> None:
        model = options.get("model")
        self._path = options.get("path") or (f"/v2/models/{model}/infer" if model else None)

    def encode(self, body: bytes) -> Request:
        if self._path is None:
            raise ValueError("the v2 protocol needs the model's name (or a path)")
        problem = tensors_problem("inputs", parse_object(body).get("inputs"))
        if problem:
            raise ValueError(problem)
        return Request(method="POST", path=self._path, headers=HEADERS, body=body)

    def check(self, status: int, body: bytes) -> str | None:
        if status != 200:
            return f"status {status}"
        try:
            message = parse_answer(body)
        except ValueError as error:
            return str(error)
        return tensors_problem("outputs", message.get("outputs"))

    def answer(self, body: bytes) -> object:
        return {"outputs": [{key: tensor[key] for key in _TENSOR} for tensor in parse_object(body)["outputs"]]}


def tensors_problem(which: str, tensors: object) -> str | None:
    if not isinstance(tensors, list) or not tensors:
        return f"{which} must be a list of tensors, found {shown(tensors)}"
    for tensor in tensors:
        missing = [key for key in _TENSOR if key not in tensor] if isinstance(tensor, dict) else list(_TENSOR)
        if missing:
            return f"a tensor of {which} lacks {', '.join(missing)}: {shown(tensor)}"
    return None
