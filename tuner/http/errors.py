"""What can be wrong with the bytes of an answer."""

from __future__ import annotations


class WireError(Exception):
    """The bytes received are not an answer of the protocol spoken; the text says what is wrong with them."""


class TooLarge(WireError):
    """The answer, or what it unpacks to, is larger than what is read of one."""
