"""Literal secrets in a manifest or a search space: found by how their names look, for copies that others may read.

The manifest that is deployed and exported keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tuner.uri import masked as without_credentials
from tuner.yaml import tree
from tuner.yaml.tree import AliasNode, MappingNode, Node, ScalarNode, SequenceNode

MASK = "***"
_WORDS = frozenset(
    [
        *("password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "credential", "credentials"),
        *("authorization", "bearer", "cookie"),
    ]
)
_KEYS_OF = frozenset(("api", "access", "private", "secret", "account", "encryption", "signing", "auth", "license"))
"""``key`` after one of these."""
_NOT_ITSELF = frozenset(
    ("file", "path", "dir", "name", "ref", "url", "uri", "enabled", "type", "id", "ttl", "expiry", "header", "mount")
)
"""A last word that tells that the value only points at the secret, or speaks of it."""
_HARMLESS = re.compile(r"(true|false|null|yes|no|on|off|none|[\d.]*|\$\(\w+\)|\$\{?\w+\}?)", re.IGNORECASE)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_FLAG = re.compile(r"--?([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_WORD = r"(?:\"(?P<q2>[^\"]*)\"|'(?P<q1>[^']*)'|(?P<plain>[^\s;&|\"'-][^\s;&|\"']*))"
_ASSIGNED = tuple(
    re.compile(start + _WORD) for start in (r"(?P<name>\b[A-Za-z][\w-]*)=", r"(?<![\w-])--(?P<name>[A-Za-z][\w-]*)\s+")
)
"""Within a script: ``NAME=value``, ``--name=value``, ``--name value``."""
SHORTEST = 4
"""Shorter values are not looked for in other texts: they stand in any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    name: str
    value: str
    line: int
    start: int
    end: int
    """Offsets of the text that is to be masked."""
    whole: bool
    """Whether a YAML scalar as a whole, or a part of one."""


def secret_values(text: str, names: Collection[str] = ()) -> tuple[SecretValue, ...]:
    """The literal secrets of a YAML text, in order; `names` are secret whatever they look like. Empty for a text that
    is no YAML."""
    try:
        documents = tree.parse(text)
    except tree.Malformed:
        return ()
    look = _Look(text, frozenset(names))
    found = [one for document in documents for one in look.within(document.root)]
    return tuple(sorted({one.start: one for one in found}.values(), key=lambda one: one.start))


def masked(text: str, names: Collection[str] = (), values: Collection[str] = ()) -> str:
    """`text`, if it is YAML, without its literal secrets; in any case without `values` and credentials in URLs."""
    for one in reversed(secret_values(text, names)):
        text = f"{text[: one.start]}{f'"{MASK}"' if one.whole else MASK}{text[one.end :]}"
    return without(text, values)


def without(text: str, values: Collection[str]) -> str:
    """`text` without `values` and credentials in URLs."""
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SHORTEST:
            text = text.replace(value, MASK)
    return "".join(without_credentials(line) if "://" in line else line for line in text.splitlines(keepends=True))


def looks_secret(name: str) -> bool:
    """By its words: DB_PASSWORD, apiKey and hf-token do, MAX_TOKENS and secretName do not."""
    words = [word.lower() for word in _PART.findall(name)]
    if not words or words[-1] in _NOT_ITSELF:
        return False
    return any(word in _WORDS for word in words) or any(
        word in _KEYS_OF and after == "key" for word, after in pairwise(words)
    )


class _Look:
    def __init__(self, text: str, names: frozenset[str]) -> None:
        self._text = text
        self._names = names

    def within(self, node: Node) -> Iterator[SecretValue]:
        if isinstance(node, AliasNode):
            return
        if isinstance(node, MappingNode):
            yield from self._mapping(node)
        elif isinstance(node, SequenceNode):
            yield from self._sequence(node)

    def _mapping(self, node: MappingNode) -> Iterator[SecretValue]:
        scalars = {key.text: value for key, value in node.entries if isinstance(value, ScalarNode)}
        named, value = scalars.get("name"), scalars.get("value")
        if named is not None and value is not None:
            yield from self._whole(named.text, value)
        of_secret = scalars["kind"].text == "Secret" if "kind" in scalars else False
        for key, inner in node.entries:
            if isinstance(inner, ScalarNode):
                yield from self._whole(key.text, inner)
            elif of_secret and key.text in ("data", "stringData") and isinstance(inner, MappingNode):
                for name, secret in inner.entries:
                    if isinstance(secret, ScalarNode) and secret.text:
                        yield self._found(name.text, secret)
            else:
                yield from self.within(inner)

    def _sequence(self, node: SequenceNode) -> Iterator[SecretValue]:
        """Words of a command: ``--api-key=x``, or the word after ``--api-key``; and scripts with either in them."""
        before = ""
        for item in node.items:
            if not isinstance(item, ScalarNode):
                before = ""
                yield from self.within(item)
                continue
            flag = _FLAG.fullmatch(item.text)
            if flag is None and self._secret(before, item.text):
                yield self._found(before, item)
            else:
                yield from self._parts(item)
            before = flag[1] if flag is not None and flag[2] is None else ""

    def _whole(self, name: str, node: ScalarNode) -> Iterator[SecretValue]:
        if self._secret(name, node.text):
            yield self._found(name, node)

    def _parts(self, node: ScalarNode) -> Iterator[SecretValue]:
        written = self._text[node.start : node.end]
        for found in (one for pattern in _ASSIGNED for one in pattern.finditer(written)):
            group = next(name for name in ("q1", "q2", "plain") if found[name] is not None)
            if self._secret(found["name"], found[group]):
                start, end = node.start + found.start(group), node.start + found.end(group)
                line = self._text.count("\n", 0, start) + 1
                yield SecretValue(name=found["name"], value=found[group], line=line, start=start, end=end, whole=False)

    def _secret(self, name: str, value: str) -> bool:
        asked = name in self._names
        return bool(value) and (asked or (looks_secret(name) and not _HARMLESS.fullmatch(value)))

    def _found(self, name: str, node: ScalarNode) -> SecretValue:
        end = node.end
        if node.style in ("|", ">"):  # whose mark stands on the next line
            end = node.start + len(self._text[node.start : end].rstrip())
        return SecretValue(name=name, value=node.text, line=node.line, start=node.start, end=end, whole=True)
