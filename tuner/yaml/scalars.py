"""YAML scalars: how kubectl reads them, how YAML 1.1 and 1.2 do, and how we write them.

Kubernetes' tools read with go-yaml v2: YAML 1.1, but for base 60 and dates, which are text to it, and octals in either
spelling. PyYAML reads more of 1.1, newer readers read 1.2. What all must understand alike is written so that they do.
Sources: YAML 1.2.2, section 10.3.2 (core schema); the YAML 1.1 types at yaml.org/type; kubectl itself, asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_BOOL_1_1 = re.compile(r"y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_INT_1_1 = re.compile(
    r"[-+]?0b[0-1_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?0[0-7_]+|[-+]?[1-9][0-9_]*|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+|[-+]?0"
)
_FLOAT_1_1 = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_TIME_1_1 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?"
    r"([ \t]*(Z|[-+][0-9]{1,2}(:?[0-9]{2})?))?"
)
_UNDERSCORED = re.compile(r"(?=.*_)(?=.*[0-9])[-+.0-9_eE:]+")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


_LONGEST_INT = 400
"""Characters; more than the largest float has, and fewer than Python reads as a whole number."""


def resolve(text: str) -> Any:
    """The value of a plain (unquoted) scalar in the core schema of YAML 1.2: None, bool, int, float or str."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if len(text) <= _LONGEST_INT and _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"})
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_GO_INT = re.compile(
    r"(?P<sign>[-+]?)(0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|(0[oO]?)(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_GO_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_INT64, _UINT64 = 1 << 63, 1 << 64
_LARGEST_WHOLE = 1e21
"""From here on Go's JSON has an exponent."""


def kubectl(text: str) -> Any:
    """The value of a plain scalar as kubectl reads it: None, bool, int, float or str."""
    if _NULL.fullmatch(text):
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.fullmatch(text):
        return resolve(text.removeprefix("+"))
    if text[0] not in "+-.0123456789":
        return text
    plain = text if text[0] == "." else text.replace("_", "")
    if len(plain) <= _LONGEST_INT and (found := _GO_INT.fullmatch(plain)) is not None:
        base = next(name for name in _BASES if found[name] is not None)
        number = int(found[base], _BASES[base]) * (-1 if found["sign"] == "-" else 1)
        if -_INT64 <= number < (_UINT64 if not found["sign"] else _INT64):
            return number
    if _GO_FLOAT.fullmatch(plain):
        value = float(plain)
        return whole(value) if math.isfinite(value) else text
    return text


def whole(value: float) -> int | float:
    """As JSON has it, where 1.0 and 1 are one number."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE
    return int(value) if is_whole else value


def key_text(value: Any) -> str | None:
    """What a key that is read as this value is called in JSON; None: kubectl refuses it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None
    return None if value is None else str(value)


def alike(text: str) -> bool:
    """Whether every reader of YAML takes a plain scalar for the same as kubectl does."""
    value, in_1_2 = kubectl(text), resolve(text)
    same = value == in_1_2 and isinstance(value, bool | str | None) == isinstance(in_1_2, bool | str | None)
    return same and ambiguity(text) is None


def ambiguity(text: str) -> str | None:
    """How YAML 1.1 reads a plain scalar that YAML 1.2 reads as something else, in words; None when they agree."""
    in_1_2 = type(resolve(text)).__name__
    if _BOOL_1_1.fullmatch(text):
        return "true or false"
    if text.endswith(":"):
        return "a key"
    if text in ("=", "<<"):
        return "a merge key" if text == "<<" else "a default value"
    if _TIME_1_1.fullmatch(text):
        return "a date"
    if _UNDERSCORED.fullmatch(text):
        return "a number"
    if _INT_1_1.fullmatch(text):
        same = in_1_2 == "int" and not re.match(r"[-+]?0[0-9_]", text)
        return None if same else "another number" if in_1_2 == "int" else "a whole number"
    if _FLOAT_1_1.fullmatch(text):
        return None if in_1_2 == "float" else "a number"
    return "text" if in_1_2 in ("int", "float") else None


def quoted(text: str) -> str:
    """A double-quoted scalar, in YAML as in JSON: one line, whatever the text holds."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    if 0x20 <= code < 0x7F or (0xA0 <= code < 0xFFFE and not _special(code)) or code > 0xFFFF:
        return character
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return named.get(character) or f"\\u{code:04x}"


def _special(code: int) -> bool:
    return code in (0x2028, 0x2029, 0xFEFF) or 0xD800 <= code < 0xE000


def key(text: str) -> str:
    """A mapping's key, unquoted where every reader takes it for text."""
    plain = _PLAIN_KEY.fullmatch(text) and isinstance(resolve(text), str) and ambiguity(text) is None
    return text if plain else quoted(text)


def flow(value: Any, *, json: bool = False) -> str:
    """Plain data on one line. Text is always quoted; numbers are spelled as both YAML versions read them.

    `json`: with the keys of mappings in quotes.
    """
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        named = (f"{quoted(name) if json else key(name)}: {flow(item, json=json)}" for name, item in value.items())
        return "{" + ", ".join(named) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(flow(item, json=json) for item in value) + "]"
    return str(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    # YAML 1.1 takes an exponent for a number's only after a dot and with a sign
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent if exponent[0] in '+-' else '+' + exponent}"
