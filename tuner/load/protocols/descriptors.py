"""Where the definitions of a gRPC service come from: a .proto file, a compiled descriptor set, or a running server.

All of them end as a serialized `FileDescriptorSet` that holds every file needed, dependencies first.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import InputError, Problem, Where
from tuner.files import read_input
from tuner.load.control.exchange import exchange
from tuner.load.model import Request, Tls, Unanswered
from tuner.measure.status import GRPC, word
from tuner.uri import masked

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto  # type: ignore[import-untyped]

_SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""The messages of both versions are the same on the wire."""
_UNIMPLEMENTED = GRPC + 12
_AT = re.compile(r"(?P<file>[^:\s]+):(?:(?P<line>\d+):\d+:)? (?P<message>.+)")
_SET = "protoc --include_imports --descriptor_set_out=FILE"
_PATIENCE_S = 60.0
_MOST_FILES = 500


def is_url(proto: str) -> bool:
    return "://" in proto


@lru_cache(maxsize=8)
def compiled(proto: Path) -> bytes:
    """What protoc makes of a .proto file; of a file of any other name, which is a descriptor set already, its content.

    A file is compiled once a process. Raises InputError with the file and line of everything that protoc says.
    """
    try:
        content = read_input(proto)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError.at(proto, message, "name a .proto file or a descriptor set") from None
    if proto.suffix != ".proto":
        return content
    with tempfile.NamedTemporaryFile(prefix="tuner-", suffix=".descriptors") as out:
        command = (
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{proto.parent}", "--include_imports"),
            *(f"--descriptor_set_out={out.name}", str(proto)),
        )
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            message = f"protoc took more than {_PATIENCE_S:.0f} s"
            raise InputError.at(proto, message, f"compile it with {_SET} and give that file") from None
        if done.returncode:
            raise InputError(_problems(done.stderr, proto))
        return Path(out.name).read_bytes()


@lru_cache(maxsize=8)
def reflected(url: str, service: str, timeout_s: float, tls: Tls, token: str, where: Where) -> bytes:
    """What a running server tells of a service and of all that it needs (gRPC server reflection, version 1 or alpha).

    A server is asked once a process. Raises InputError at `where` for one that does not answer or does not tell.
    """
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    def ask(field: str, value: str) -> list[FileDescriptorProto]:
        return _ask(url, field, value, timeout_s, tls, token, where)

    files = {file.name: file for file in ask("file_containing_symbol", service)}
    asked: set[str] = set()
    while wanted := {name for file in files.values() for name in file.dependency} - files.keys():
        if wanted <= asked or len(files) > _MOST_FILES:
            message = f"{masked(url)} tells {len(files)} files of definitions, and not {min(wanted)}, which they need"
            raise InputError([Problem(where=where, message=message, fix="give a .proto file instead")])
        asked |= wanted
        files |= {file.name: file for name in sorted(wanted) for file in ask("file_by_filename", name)}
    return bytes(FileDescriptorSet(file=_in_order(files)).SerializeToString())


def _ask(
    url: str, field: str, value: str, timeout_s: float, tls: Tls, token: str, where: Where
) -> list[FileDescriptorProto]:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse  # type: ignore[import-untyped]

    def refuse(message: str, fix: str) -> InputError:
        return InputError([Problem(where=where, message=f"{masked(url)} {message}", fix=fix)])

    body = ServerReflectionRequest(**{field: value}).SerializeToString()
    for service in _SERVICES:
        path = f"/{service}/ServerReflectionInfo"
        request = Request(method="POST", path=path, headers={}, body=body, grpc=True, timeout_s=timeout_s)
        try:
            answer = exchange(url, request, timeout_s, tls, token)
        except Unanswered as unanswered:
            fix = "start that server, or give a .proto file instead"
            raise refuse(f"was asked for its definitions and did not answer: {unanswered}", fix) from None
        if answer.status != _UNIMPLEMENTED:
            break
    instead = "turn reflection on in that server, or give a .proto file instead"
    if answer.status != 200:
        said = answer.body.decode(errors="replace")
        raise refuse(f"does not tell its definitions: {word(answer.status)} ({said})", instead)
    try:
        told = ServerReflectionResponse.FromString(answer.body)
        files = [FileDescriptorProto.FromString(each) for each in told.file_descriptor_response.file_descriptor_proto]
    except DecodeError:
        raise refuse(
            "does not tell its definitions: the answer is no message of the reflection service", instead
        ) from None
    if told.HasField("error_response"):
        raise refuse(f"does not know {value}: {told.error_response.error_message}", "correct the method's name")
    return files


def _in_order(files: dict[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Dependencies first."""
    ordered: dict[str, FileDescriptorProto] = {}

    def add(name: str) -> None:
        file = files.pop(name, None)
        if file is not None:
            for dependency in file.dependency:
                add(dependency)
            ordered[name] = file

    for name in tuple(files):
        add(name)
    return list(ordered.values())


def _problems(text: str, proto: Path) -> list[Problem]:
    """What protoc says, by file and line; names of files are relative to the folder that was searched."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _AT.fullmatch(line)
        if match is None:
            continue
        fix = "correct it"
        if "not found" in match["message"]:
            fix = f"put it into the folder of {proto.name}, or compile all with {_SET} and give that file"
        file, message = proto.parent / match["file"], match["message"].rstrip(".")
        found.append(Problem.at(file, message, fix, line=int(match["line"] or 0)))
    return found or [Problem.at(proto, f"protoc refuses it: {text.strip()}", "correct it")]
