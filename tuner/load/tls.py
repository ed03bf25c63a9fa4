"""TLS on the client's side (RFC 8446): certificates are always verified, for the very name that was asked for."""

from __future__ import annotations

import ssl
from functools import lru_cache

from tuner.http.asking import Lost
from tuner.load.model import Tls, Unanswered


@lru_cache(maxsize=16)
def context(tls: Tls, protocols: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """What connections are made with: TLS 1.2 or later, the certificate's chain and its name both checked.

    `protocols` are offered to the server (ALPN, RFC 7301). Raises ValueError for authorities that are no certificates.
    """
    try:
        made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=tls.authorities or None)
    except ssl.SSLError as error:
        raise ValueError(f"the authorities to trust are no certificates in PEM ({_reason(error)})") from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(list(protocols))
    return made


def refused(error: OSError) -> Unanswered:
    """Why no answer came, in words; of a certificate what is wrong with it, which is final."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unanswered(f"the server's certificate is not trusted: {error.verify_message}", final=True)
    if isinstance(error, ssl.SSLError):
        return Unanswered(f"no TLS connection can be made ({_reason(error)}); does the server speak TLS on this port?")
    if isinstance(error, ConnectionRefusedError):
        return Unanswered("the connection was refused: nobody listens there", unreachable=True)
    if isinstance(error, ConnectionError):
        return Unanswered("the server broke the connection off", lost=True)
    if isinstance(error, Lost):
        return Unanswered(str(error), lost=True)
    return Unanswered(error.strerror or str(error) or type(error).__name__)


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
