"""Rules over parameters: a small expression language of our own, parsed never evaluated as code.

    rule        = or
    or          = and {"or" and}
    and         = not {"and" not}
    not         = "not" not | comparison
    comparison  = sum {("<" | "<=" | ">" | ">=" | "==" | "!=") sum}      chained as in mathematics: 1 < a <= b
                | sum ["not"] "in" "[" sum {"," sum} "]"
    sum         = product {("+" | "-") product}
    product     = unary {("*" | "/" | "%") unary}
    unary       = "-" unary | atom
    atom        = number | quantity | text in quotes | "true" | "false" | parameter | "(" or ")"

Quantities (``500m``, ``2Gi``) are numbers, in rules as well as in parameters' values; arithmetic is exact. What has
no value (a division by zero, the order of two texts) makes the rule not hold.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, NamedTuple, cast

from tuner.errors import Mistake, Where
from tuner.space.values import Operand, Value, equal, operand
from tuner.units import quantity

MAX_LENGTH = 1000
MAX_TOKENS = 200
MAX_NESTING = 30
KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})

_Number = int | Fraction
_Values = Mapping[str, Operand]
_Evaluate = Callable[[_Values], Operand]
_Kind = Literal["number", "text", "truth", "any"]
"""What a part of a rule yields; ``any``: a parameter, whose values are not known here."""

# By hand, not by lark: its errors must be put into these words and depth and length be limited beside it, so that
# little code would go, and every command that reads rules would take 45 ms longer: 18 to import it, 27 to build its
# tables.
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+|[A-Za-z]*))|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<symbol><=|>=|==|!=|[-+*/%()<>\[\],]))",
    re.ASCII,
)
_INSTEAD = {"=": "==", "&": "and", "|": "or", "!": "not", "^": "* for a product (there are no powers)"}
_KINDS: dict[_Kind, str] = {"number": "a number", "text": "a text", "truth": "a condition"}
_NEEDED: dict[_Kind, str] = {
    "number": "arithmetic and order need numbers or quantities",
    "truth": "compare it with something, as in workers <= 4",
}
_Order = Callable[[_Number, _Number], bool]
_ORDER: dict[str, _Order] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_Arithmetic = Callable[[_Number, _Number], _Number]
_ARITHMETIC: dict[str, _Arithmetic] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda one, other: Fraction(one) / other,
    "%": operator.mod,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition every configuration must meet. Made by `parse_rule`."""

    text: str
    where: Where
    names: frozenset[str]
    """The parameters it speaks of."""
    _evaluate: _Evaluate = field(repr=False, compare=False)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a configuration with these values meets it; one lacking any of its parameters does."""
        if not self.names <= values.keys():
            return True
        try:
            return self._evaluate({name: operand(values[name]) for name in self.names}) is True
        except (TypeError, ZeroDivisionError):
            return False


def parse_rule(text: str, where: Where) -> Rule:
    """Raises Mistake with the column and what is allowed there."""
    if len(text) > MAX_LENGTH:
        fix = f"at most {MAX_LENGTH} are allowed, split it into several"
        raise Mistake(f"the rule has {len(text)} characters", fix)
    return _Parser(text).rule(where)


class _Token(NamedTuple):
    kind: Literal["number", "name", "text", "symbol", "keyword", "end"]
    text: str
    column: int


class _Part(NamedTuple):
    """A part of a rule that was read: what it yields, how, and where it starts."""

    kind: _Kind
    evaluate: _Evaluate
    column: int

    def must_be(self, kind: _Kind) -> _Evaluate:
        if self.kind not in (kind, "any"):
            raise Mistake(f"column {self.column}: {_KINDS[self.kind]} stands where {_KINDS[kind]} must", _NEEDED[kind])
        return self.evaluate


class _Parser:
    """One pass over one rule. Every method reads what its line of the grammar says, or raises Mistake."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0
        self.nesting = 0
        self.names: set[str] = set()

    def rule(self, where: Where) -> Rule:
        if self.next.kind == "end":
            raise Mistake("the rule is empty", "write a condition such as workers * threads <= 16")
        part = self.either()
        if self.at < len(self.tokens) - 1:
            raise self.unexpected("an operator, 'and', 'or' or the end of the rule")
        return Rule(self.text, where, frozenset(self.names), part.must_be("truth"))

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self, *texts: str) -> str | None:
        """The next token's text if it is one of these symbols or keywords; it is then consumed."""
        if self.next.kind not in ("symbol", "keyword") or self.next.text not in texts:
            return None
        self.at += 1
        return self.tokens[self.at - 1].text

    def need(self, symbol: str, expected: str) -> None:
        if not self.take(symbol):
            raise self.unexpected(expected)

    def unexpected(self, expected: str) -> Mistake:
        found = repr(self.next.text) if self.next.kind != "end" else "the end of the rule"
        return Mistake(f"column {self.next.column}: found {found}", f"write {expected} there")

    def nested(self, read: Callable[[], _Part]) -> _Part:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            fix = f"at most {MAX_NESTING} levels are allowed"
            raise Mistake(f"column {self.next.column}: nested too deeply", fix)
        part = read()
        self.nesting -= 1
        return part

    def either(self) -> _Part:
        return self.joined("or", self.both, any)

    def both(self) -> _Part:
        return self.joined("and", self.negation, all)

    def joined(self, word: str, read: Callable[[], _Part], combine: Callable[[Iterable[bool]], bool]) -> _Part:
        first = read()
        parts = [first]
        while self.take(word):
            parts.append(read())
        if len(parts) == 1:
            return first
        conditions = [part.must_be("truth") for part in parts]
        return _Part("truth", lambda v: combine(_truth(condition(v)) for condition in conditions), first.column)

    def negation(self) -> _Part:
        column = self.next.column
        if not self.take("not"):
            return self.comparison()
        condition = self.nested(self.negation).must_be("truth")
        return _Part("truth", lambda v: not _truth(condition(v)), column)

    def comparison(self) -> _Part:
        first = self.sum()
        if self.take("in"):
            return self.membership(first)
        if self.take("not"):
            self.need("in", "'in'")
            inside = self.membership(first).evaluate
            return _Part("truth", lambda v: not inside(v), first.column)
        parts, signs = [first], []
        while sign := self.take("==", "!=", *_ORDER):
            signs.append(sign)
            parts.append(self.sum())
        if not signs:
            return first
        tests = [_test(*triple) for triple in zip(signs, parts, parts[1:], strict=False)]
        return _Part("truth", lambda v: all(test(v) for test in tests), first.column)

    def membership(self, part: _Part) -> _Part:
        self.need("[", "a list such as [1, 2, 4]")
        members = [self.sum().evaluate]
        while self.take(","):
            members.append(self.sum().evaluate)
        self.need("]", "',' or ']'")

        def inside(values: _Values) -> Operand:
            value = part.evaluate(values)
            # all of the list first, as in Python: a division by zero in it is told whatever stands before it
            return any(equal(value, other) for other in [member(values) for member in members])

        return _Part("truth", inside, part.column)

    def sum(self) -> _Part:
        return self.arithmetic(self.product, "+", "-")

    def product(self) -> _Part:
        return self.arithmetic(self.unary, "*", "/", "%")

    def arithmetic(self, read: Callable[[], _Part], *signs: str) -> _Part:
        part = read()
        while sign := self.take(*signs):
            evaluate = _applied(_ARITHMETIC[sign], part.must_be("number"), read().must_be("number"))
            part = _Part("number", evaluate, part.column)
        return part

    def unary(self) -> _Part:
        column = self.next.column
        if not self.take("-"):
            return self.atom()
        evaluate = self.nested(self.unary).must_be("number")
        return _Part("number", lambda v: -_number(evaluate(v)), column)

    def atom(self) -> _Part:
        token = self.next
        if self.take("("):
            part = self.nested(self.either)
            self.need(")", "an operator or ')'")
            return part._replace(column=token.column)
        if word := self.take("true", "false"):
            return _Part("truth", lambda _: word == "true", token.column)
        if token.kind not in ("number", "text", "name"):
            raise self.unexpected("a parameter, a number, a quantity or a text in quotes")
        self.at += 1
        if token.kind == "name":
            self.names.add(token.text)
            return _Part("any", lambda v: v[token.text], token.column)
        return _literal(token)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _not_understood(text, at)
        kind, word = match.lastgroup, match[match.lastgroup]
        if kind == "name" and word in KEYWORDS:
            kind = "keyword"
        tokens.append(_Token(cast("Any", kind), word, match.start(match.lastgroup) + 1))
        at = match.end()
    if len(tokens) > MAX_TOKENS:
        raise Mistake(f"the rule has {len(tokens)} words and signs", f"at most {MAX_TOKENS} are allowed, split it")
    return [*tokens, _Token("end", "", end + 1)]


def _not_understood(text: str, at: int) -> Mistake:
    at += len(text[at:]) - len(text[at:].lstrip())
    found = text[at]
    if found in "'\"":
        return Mistake(f"column {at + 1}: the quote {found} is not closed", f"add another {found}")
    instead = _INSTEAD.get(found, "numbers, quantities, parameters and operators")
    return Mistake(f"column {at + 1}: {found!r} means nothing in a rule", f"write {instead}")


def _literal(token: _Token) -> _Part:
    if token.kind == "text":
        value = operand(token.text[1:-1])
        return _Part("text" if isinstance(value, str) else "number", lambda _: value, token.column)
    try:
        quantity(token.text)
    except Mistake as error:
        raise Mistake(f"column {token.column}: {error.message}", error.fix) from None
    number = operand(token.text)
    return _Part("number", lambda _: number, token.column)


def _test(sign: str, one: _Part, other: _Part) -> Callable[[_Values], bool]:
    left, right = one.evaluate, other.evaluate
    if sign == "==":
        return lambda v: equal(left(v), right(v))
    if sign == "!=":
        return lambda v: not equal(left(v), right(v))
    compare, low, high = _ORDER[sign], one.must_be("number"), other.must_be("number")
    return lambda v: compare(_number(low(v)), _number(high(v)))


def _applied(apply: _Arithmetic, one: _Evaluate, other: _Evaluate) -> _Evaluate:
    return lambda v: apply(_number(one(v)), _number(other(v)))


def _number(value: Operand) -> _Number:
    if isinstance(value, bool | str):
        raise TypeError(f"{value!r} is not a number")
    return value


def _truth(value: Operand) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not a truth value")
    return value
