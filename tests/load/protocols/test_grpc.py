"""Messages of gRPC protocols: written from JSON, checked as bytes, told as JSON; and where definitions come from."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.grpc_servers import PROTO, GrpcServer
from tests.load.sending import workload_of
from tuner.errors import InputError, Where
from tuner.load.grpc import wire_format
from tuner.load.model import Protocol, Tls
from tuner.load.protocols import protocol
from tuner.load.protocols.descriptors import compiled, reflected
from tuner.load.protocols.messages import method_of, shipped
from tuner.load.requests import problems, protocol_of, requests, secured
from tuner.measure.status import GRPC
from tuner.workload.model import TlsSpec, WorkloadSpec

HERE = Where(file="space.yaml", line=7)
SELDON = protocol("seldon-grpc")
V2 = protocol("v2-grpc", {"model": "iris"})


def message_of(speaker: Protocol, body: object) -> Any:
    """The request as the message it is."""
    name, method = ("seldon.proto", "seldon.protos.Seldon/Predict")
    if speaker.name == "v2-grpc":
        name, method = ("open_inference.proto", "inference.GRPCInferenceService/ModelInfer")
    return shipped(name, method).request.FromString(speaker.encode(json.dumps(body).encode()).body)


def echo(method: str = "test.Echo/Say") -> Protocol:
    return protocol("grpc", {"method": method, "descriptors": base64.b64encode(compiled(PROTO)).decode()})


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"names": ["a"], "ndarray": [[5.1, "x", None, True]]}},
        {"data": {"tensor": {"shape": [1, 2], "values": [1.0, 2.5]}}},
        {
            "data": {
                "tftensor": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "2"}]}, "float_val": [1.0, 2.0]}
            }
        },
        {"strData": ""},
        {"binData": "aGk="},
        {"jsonData": {"a": [1.0, None]}},
        {"customData": {"@type": "type.googleapis.com/google.protobuf.Value", "value": 3.0}},
    ],
)
def test_bodies_of_seldons_rest_protocol_are_sent_as_they_are(body: dict[str, Any]) -> None:
    request = SELDON.encode(json.dumps(body).encode())
    assert (request.grpc, request.path) == (True, "/seldon.protos.Seldon/Predict")
    assert SELDON.check(200, request.body) is None
    assert SELDON.answer(request.body) == body


def test_meta_and_status_do_not_count_in_an_answer() -> None:
    body = {"meta": {"puid": "x", "tags": {"a": 1}, "metrics": [{"key": "k", "type": "TIMER"}]}, "strData": "a"}
    request = SELDON.encode(json.dumps(body).encode())
    assert SELDON.answer(request.body) == {"strData": "a"}


def test_seldons_own_definitions_agree() -> None:
    prediction = pytest.importorskip("seldon_core.proto.prediction_pb2", reason="seldon-core is not installed")
    ours = shipped("seldon.proto", "seldon.protos.Seldon/Predict").pool
    for name in ("SeldonMessage", "DefaultData", "Tensor", "Meta", "Metric", "Status"):
        theirs = getattr(prediction, name).DESCRIPTOR
        same = ours.FindMessageTypeByName(f"seldon.protos.{name}")
        assert {f.name: (f.number, f.type) for f in same.fields} == {f.name: (f.number, f.type) for f in theirs.fields}
    theirs = prediction.DefaultData.DESCRIPTOR.fields_by_name["tftensor"].message_type
    for field in ours.FindMessageTypeByName("tensorflow.TensorProto").fields:
        assert (field.number, field.type) == (
            theirs.fields_by_name[field.name].number,
            theirs.fields_by_name[field.name].type,
        )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[1]", "array, not an object"),
        (b"{}", "exactly one of"),
        (b'{"data": {}}', "holds none of"),
        (b'{"data": {"ndarray": 3}}', "no seldon.protos.SeldonMessage as JSON"),
        (b'{"strData": "a", "mta": {}}', "mta"),
    ],
)
def test_what_is_no_seldon_message_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SELDON.encode(body)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (GRPC + 14, b"gone", "grpc UNAVAILABLE: gone"),
        (GRPC + 12, b"", "grpc UNIMPLEMENTED"),
        (503, b"busy", "http 503: busy"),
        (200, b"", "holds no data"),
        (200, b"\x1a\x00", "none of tensor, ndarray"),
        (200, b"\x0a\x06\x1a\x02no\x20\x01", "FAILURE: no"),
        (200, b"\x0a\x7f", "ends within its field"),
        (200, b"\x0f", "wire type 7"),
        (200, b"\x80", "ends within a number"),
        (200, b"\x00\x00", "field of number 0"),
    ],
)
def test_wrong_answers_of_seldon(status: int, body: bytes, words: str) -> None:
    assert words in str(SELDON.check(status, body))


def test_tensors_are_typed_contents() -> None:
    values = {
        "BOOL": [True, False],
        "INT8": [-1, 2],
        "INT64": [-(2**40), 2],
        "UINT8": [1, 255],
        "UINT64": [2**63, 1],
        "FP32": [1.5, -2.0],
        "FP64": [1e300, 2.0],
        "BYTES": ["é", "b"],
    }
    tensors = [{"name": n, "shape": [2], "datatype": n, "data": data} for n, data in values.items()]
    found = message_of(V2, {"id": "7", "inputs": tensors, "parameters": {"a": True, "b": 2, "c": 0.5, "d": "x"}})
    assert (found.model_name, found.id) == ("iris", "7")
    assert {name: parameter.WhichOneof("parameter_choice") for name, parameter in found.parameters.items()} == {
        "a": "bool_param",
        "b": "int64_param",
        "c": "double_param",
        "d": "string_param",
    }
    told = [list(tensor.contents.ListFields()[0][1]) for tensor in found.inputs]
    assert told == [*list(values.values())[:-1], ["é".encode(), b"b"]]


def test_nested_data_are_flattened_and_half_precision_goes_as_raw_bytes() -> None:
    tensors = [
        {"name": "x", "shape": [2, 2], "datatype": "FP16", "data": [[1, 2], [3, 4]]},
        {"name": "y", "shape": [1], "datatype": "BF16", "data": [1.0]},
        {"name": "z", "shape": [1], "datatype": "BYTES", "data": ["é"]},
    ]
    found = message_of(V2, {"inputs": tensors, "outputs": [{"name": "o", "parameters": {"classification": 1}}]})
    assert list(found.raw_input_contents) == [b"\x00<\x00@\x00B\x00D", b"\x80\x3f", b"\x02\0\0\0\xc3\xa9"]
    assert [output.name for output in found.outputs] == ["o"]
    assert all(not tensor.HasField("contents") for tensor in found.inputs)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ({"shape": [3]}, r"shape \[3\] and 2 elements"),
        ({"shape": "2"}, "not a list of sizes"),
        ({"shape": [-2]}, "not a list of sizes"),
        ({"datatype": "FP31"}, "does not know"),
        ({"datatype": "INT32", "data": ["a", "b"]}, "ModelInferRequest"),
        ({"datatype": "INT32", "data": [1.5, 1]}, "ModelInferRequest"),
        ({"datatype": "UINT8", "data": [-1, 1]}, "ModelInferRequest"),
        ({"parameters": {"a": [1]}}, "parameter a"),
        ({"name": 5}, "ModelInferRequest"),
    ],
)
def test_what_is_no_inference_request_is_refused(tensor: dict[str, Any], words: str) -> None:
    given = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2], **tensor}
    with pytest.raises(ValueError, match=words):
        V2.encode(json.dumps({"inputs": [given]}).encode())
    with pytest.raises(ValueError, match="needs the model's name"):
        protocol("v2-grpc").encode(json.dumps({"inputs": [given]}).encode())


def test_answers_in_typed_and_in_raw_contents_say_the_same() -> None:
    answer = shipped("open_inference.proto", "inference.GRPCInferenceService/ModelInfer").answer
    typed: Any = answer(model_name="iris", id="1")
    raw: Any = answer(model_name="iris", id="2")
    for message in (typed, raw):
        message.outputs.add(name="x", datatype="FP32", shape=[2])
        message.outputs.add(name="y", datatype="BYTES", shape=[2])
        message.outputs.add(name="z", datatype="INT64", shape=[1])
    typed.outputs[0].contents.fp32_contents.extend([1.5, 2])
    typed.outputs[1].contents.bytes_contents.extend([b"a", b"\xff"])
    typed.outputs[2].contents.int64_contents.append(7)
    raw.raw_output_contents.extend([b"\0\0\xc0\x3f\0\0\0\x40", b"\1\0\0\0a\1\0\0\0\xff", b"\7\0\0\0\0\0\0\0"])
    first, second = (V2.answer(message.SerializeToString()) for message in (typed, raw))
    assert first == second
    assert [tensor["data"] for tensor in first["outputs"]] == [[1.5, 2.0], ["a", {"base64": "/w=="}], [7]]  # type: ignore[index]
    assert V2.check(200, typed.SerializeToString()) is None
    assert "no output" in str(V2.check(200, b""))
    raw.raw_output_contents.pop()
    with pytest.raises(ValueError, match="3 tensors and raw contents of 2"):
        V2.answer(raw.SerializeToString())


def test_any_method_of_a_proto_file() -> None:
    body = {"text": "a", "number": "5", "values": [1.5], "any": {"x": [None, True]}}
    request = echo().encode(json.dumps(body).encode())
    assert request.path == "/test.Echo/Say"
    assert echo().check(200, request.body) is None
    assert echo().answer(request.body) == body
    assert echo().check(200, b"\xff") is not None


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("test.Echo/Shout", "no method 'Shout'; use one of Say, Stream"),
        ("test.Ech/Say", "no service 'test.Ech'; use one of test.Echo"),
        ("test.Echo/Stream", "streaming method"),
        ("Say", "needs its method"),
    ],
)
def test_methods_that_cannot_be_called(method: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        echo(method).encode(b"{}")


def test_definitions_that_are_none() -> None:
    with pytest.raises(ValueError, match="no complete descriptor set"):
        method_of(b"\xff\xff", "a.B/C")
    with pytest.raises(ValueError, match=r"needs a \.proto file"):
        protocol("grpc", {"method": "a.B/C"}).encode(b"{}")


def test_a_proto_file_with_mistakes_is_told_by_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.proto"
    wrong.write_text('syntax = "proto3";\nmessage A {\n  Missing a = 1;\n  string b 2;\n}\n')
    with pytest.raises(InputError) as refused:
        compiled(wrong)
    first = refused.value.problems[0].where
    assert (first.file, first.line) == (str(wrong), 4)
    (tmp_path / "imports.proto").write_text('syntax = "proto3";\nimport "elsewhere.proto";\n')
    with pytest.raises(InputError, match=r"elsewhere.proto.*put it into the folder of imports.proto") as refused:
        compiled(tmp_path / "imports.proto")
    with pytest.raises(InputError, match=r"gone.proto: cannot be read: No such file"):
        compiled(tmp_path / "gone.proto")


def test_a_descriptor_set_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "echo.pb").write_bytes(compiled(PROTO))
    assert method_of(compiled(tmp_path / "echo.pb"), "test.Echo/Say").path == "/test.Echo/Say"


def test_a_server_tells_its_definitions() -> None:
    with GrpcServer(reflects=True) as server:
        found = reflected(server.url, "test.Echo", 5.0, Tls(), "", HERE)
        assert method_of(found, "test.Echo/Say").encode(b'{"any": 1}') == echo().encode(b'{"any": 1}').body
        with pytest.raises(InputError, match=r"space.yaml:7: .*does not know test.Other"):
            reflected(server.url, "test.Other", 5.0, Tls(), "", HERE)


def test_a_server_that_tells_nothing() -> None:
    with GrpcServer() as server, pytest.raises(InputError, match=r"grpc UNIMPLEMENTED.*turn reflection on"):
        reflected(server.url, "test.Echo", 5.0, Tls(), "", HERE)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"grpc://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=r"did not answer: .*start that server"):
            reflected(url, "test.Echo", 0.1, Tls(), "", HERE)


@pytest.mark.parametrize("told", [b"", b"\x22\x02\x0a\x00", b"\x22\x04\x0a\x02\xff\xff", b"\xff"])
def test_a_server_that_tells_nonsense(told: bytes) -> None:
    """Whatever it answers to a question about a file that imports another."""
    imports = b"\x22\x09\x0a\x07\x0a\x01a\x1a\x02bb"
    answers = iter((imports, *[told] * 9))

    class Nonsense(GrpcServer):
        def say(self, request: bytes, context: object) -> bytes:
            return next(answers)

    told_in_words = pytest.raises(InputError, match=r"which they need|does not tell|no message|does not know")
    with Nonsense(method="/grpc.reflection.v1.ServerReflection/") as server, told_in_words:
        reflected(server.url, "test.Echo", 5.0, Tls(), "", HERE)


def workload(tmp_path: Path, body: str = '{"text": "a"}', **changed: Any) -> WorkloadSpec:
    given = {
        "protocol": "grpc",
        "method": "test.Echo/Say",
        "proto": str(PROTO),
        "timeout_s": 0.5,
        "said": {"timeout_s"},
        **changed,
    }
    return workload_of(tmp_path, body.encode(), **given)


def test_a_workload_becomes_calls_with_a_deadline_and_metadata(tmp_path: Path) -> None:
    spec = workload(tmp_path, headers={"X-Route": "canary"})
    assert problems(spec, HERE) == ()
    (request,) = requests(spec)
    assert (request.grpc, request.timeout_s, dict(request.headers)) == (True, 0.5, {"X-Route": "canary"})
    assert protocol_of(spec).answer(request.body) == {"text": "a"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"body": '{"txt": "a"}'}, "request.json: the body is no test.Words as JSON"),
        ({"body": "{"}, "request.json: the body is no test.Words as JSON"),
        ({"headers": {"a": "é"}}, "characters other than printable ASCII"),
        ({"proto": "/nowhere/a.proto"}, "/nowhere/a.proto: cannot be read"),
        (
            {"method": "test.Echo/Shout"},
            "--proto: test.Echo/Shout: the service test.Echo has no method 'Shout'; use one of Say",
        ),
        ({"proto": None}, "needs a .proto file"),
    ],
)
def test_what_is_wrong_with_a_workload_is_said_before_anything_starts(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    found = problems(workload(tmp_path, **changed), HERE)
    assert words in "\n".join(map(str, found))


def test_addresses_are_secured() -> None:
    spec = WorkloadSpec(protocol="seldon-grpc", requests=(), tls=TlsSpec())
    assert secured(("http://a:1", "grpc://a:1", "grpcs://a:1"), spec) == ("https://a:1", "grpcs://a:1", "grpcs://a:1")


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_with_a_reason(body: bytes) -> None:
    for speaker in (SELDON, V2, echo()):
        assert isinstance(speaker.check(200, body), str | None)
    assert isinstance(wire_format.problem(body), str | None)


@given(
    st.text(max_size=20),
    st.integers(-(2**63), 2**63 - 1),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5),
)
def test_what_protobuf_writes_is_read(text: str, number: int, values: list[float]) -> None:
    body = echo().encode(json.dumps({"text": text, "number": number, "values": values}).encode()).body
    assert wire_format.problem(body) is None
    assert {field for field, _ in wire_format.fields(body)} <= {1, 2, 3}
