"""URLs of gRPC servers: ``grpc://host:port`` in clear (HTTP/2, prior knowledge), ``grpcs://host:port`` over TLS.

What backends tell, ``http://`` and ``https://``, means the same.
"""

from __future__ import annotations

_SCHEMES = {"grpc": "http", "grpcs": "https"}


def as_http(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return _SCHEMES.get(scheme, scheme) + separator + rest
