"""Reads how the servers of a workload are reached: TLS, and where the bearer token is found."""

from __future__ import annotations

import re
from pathlib import Path

from tuner.space.document import Mapping, Scalar
from tuner.space.fields import Fields
from tuner.space.model import Bearer, TlsSpec

ACCESS_KEYS = ("auth", "tls")
_AUTH = "write for example auth: {bearer: {env: TOKEN}} or auth: {bearer: {file: token}}"
_TLS = "write tls: true, or for example tls: {ca: ca.pem, server_name: model.example}"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_auth(load: Fields, folder: Path) -> Bearer | None:
    """Of a workload's section. A file that is not there yet is no mistake of the search space."""
    section = load.section("auth", _AUTH)
    if section is None:
        return None
    auth = Fields(section, ("bearer",), load.report)
    node = auth.get("bearer")
    if not isinstance(node, Mapping):
        if node is None:
            auth.missing("bearer", _AUTH)
        else:  # what stands there may be the token itself: it is not shown
            load.report.add(auth.where("bearer"), "bearer does not say where the token is found", _AUTH)
        return None
    bearer = Fields(node, ("env", "file"), load.report)
    env, file = bearer.text("env", "TOKEN"), bearer.text("file", "token")
    if (env is None) == (file is None):
        found = "both env and file" if env is not None else "neither env nor file"
        load.report.add(auth.where("bearer"), f"bearer has {found}", _AUTH)
        return None
    if env is not None and not _VARIABLE.fullmatch(env):
        fix = "write the name of an environment variable, for example env: TOKEN"
        load.report.add(bearer.where("env"), "env is not the name of a variable", fix)
        return None
    where = bearer.where("env" if env is not None else "file")
    return Bearer(env=env, file=folder / file if file is not None else None, where=where)


def read_tls(load: Fields, folder: Path) -> TlsSpec | None:
    """Of a workload's section."""
    node = load.get("tls")
    if node is None or (isinstance(node, Scalar) and isinstance(node.value, bool)):
        return TlsSpec() if node is not None and node.value is True else None
    if not isinstance(node, Mapping):
        load.wrong("tls", "true or a mapping", _TLS)
        return None
    fields = Fields(node, ("ca", "server_name"), load.report)
    return TlsSpec(ca=fields.path("ca", folder), server_name=fields.text("server_name", "model.example"))
