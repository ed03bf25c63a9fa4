"""The keys of a workload that say which gRPC method is called, where it is defined, and on which port."""

from __future__ import annotations

import re
from pathlib import Path

from tuner.errors import Where
from tuner.space.document import Scalar
from tuner.space.fields import Fields, is_whole

GRPC_KEYS = ("proto", "port")
GRPC_PROTOCOLS = ("seldon-grpc", "v2-grpc", "grpc")
_METHOD = re.compile(r"/?[A-Za-z_][\w.]*/[A-Za-z_]\w*", re.ASCII)
_EXAMPLE = "write for example method: package.Service/Method"
_SCHEMES = ("grpc://", "grpcs://")


def read_method(load: Fields, protocol: str | None) -> str | None:
    """Of the protocol grpc; the others know theirs."""
    method = load.text("method", "package.Service/Method")
    if protocol != "grpc":
        if method is not None:
            load.wrong("method", f"a key of the protocol {protocol}", "remove it, or write protocol: grpc")
        return None
    if method is None and "method" not in load:
        load.missing("method", "add method: package.Service/Method, the unary method to call")
    if method is not None and not _METHOD.fullmatch(method):
        load.wrong("method", "a gRPC method", _EXAMPLE)
        return None
    return method


def read_proto(load: Fields, protocol: str | None, folder: Path) -> tuple[str | None, Where]:
    """Where the method is defined, and the place in the file that says so."""
    where = load.where("proto")
    if protocol != "grpc":
        if "proto" in load:
            load.wrong("proto", f"a key of the protocol {protocol}", "remove it, or write protocol: grpc")
        return None, where
    if "proto" not in load:
        load.missing(
            "proto", "add proto: FILE.proto, or the grpc://host:port of a running server that offers reflection"
        )
        return None, where
    text = load.text("proto", "service.proto")
    if text is not None and text.startswith(_SCHEMES):
        return text.rstrip("/"), where
    path = None if text is None else load.path("proto", folder)
    return None if path is None else str(path), where


def read_port(load: Fields) -> str | int | None:
    """A port of the serving container, by its name or number."""
    node = load.get("port")
    if node is None:
        return None
    if isinstance(node, Scalar):
        if is_whole(node.value) and 0 < node.value < 65536:
            return node.value
        if isinstance(node.value, str) and node.value:
            return node.value
    load.wrong("port", "the name or number of a port", "write for example port: grpc or port: 5000")
    return None


def refuse_path(load: Fields, protocol: str | None) -> None:
    if protocol in GRPC_PROTOCOLS and "path" in load:
        load.wrong("path", f"a key of the protocol {protocol}", "remove it; a gRPC call is named by its method")
