"""Rules: the language against a reference evaluation by Python, and every refusal in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import Where
from tuner.space.rules import parse_rule
from tuner.space.values import same

HERE = Where(file="space.yaml", line=3)
VALUES = {"workers": 4, "threads": 5, "cpu": "500m", "memory": "2Gi", "mode": "fast", "on": True, "share": 0.1}


def holds(text: str, values: Mapping[str, bool | int | float | str] = VALUES) -> bool:
    return parse_rule(text, HERE).holds(values)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("workers * threads <= 16", False),
        ("workers * threads == 20 and cpu == 0.5", True),
        ("1 < workers <= 4 < threads", True),
        ("1 < workers < 4 < threads", False),
        ("workers - 1 - 1 == 2", True),
        ("workers + threads * 2 == 14", True),
        ("(workers + threads) * 2 == 18", True),
        ("-workers < 0", True),
        ("threads % 2 == 1", True),
        ("threads / 2 == 2.5", True),
        ("share * 3 == 0.3", True),
        ("memory > 2G and memory == 2048Mi", True),
        ("cpu in [0.5, 1]", True),
        ("cpu not in ['500m', '1']", False),
        ('mode == "fast"', True),
        ("mode != 'slow' and mode in ['fast', 'slow']", True),
        ("mode == 1", False),
        ("on", True),
        ("not on or workers > 3", True),
        ("not (on and workers > 3)", False),
        ("on == true", True),
        ("on == 1", False),
        ("true or mode < 2", True),
        ("mode < 2", False),
        ("not mode < 2", False),
        ("workers / (threads - 5) > 1", False),
        ("threads == 5 or workers / 0 > 1", True),
    ],
)
def test_rules(rule: str, expected: bool) -> None:
    assert holds(rule) is expected


def test_a_rule_knows_its_names_and_holds_where_one_of_them_is_absent() -> None:
    rule = parse_rule("batch * workers <= 8 and 'x' != mode", HERE)
    assert rule.names == {"batch", "workers", "mode"}
    assert rule.holds({"workers": 100, "mode": "x"})
    assert (rule.text, rule.where) == ("batch * workers <= 8 and 'x' != mode", HERE)
    assert rule == parse_rule(rule.text, HERE)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "the rule is empty; write a condition such as workers * threads <= 16"),
        (
            "workers * 2",
            "column 1: a number stands where a condition must; compare it with something, as in workers <= 4",
        ),
        ("workers = 4", "column 9: '=' means nothing in a rule; write =="),
        ("a < 1 && b < 2", "column 7: '&' means nothing in a rule; write and"),
        ("__import__('os')", "column 11: found '('; write an operator, 'and', 'or' or the end of the rule there"),
        ("a.b < 1", "column 2: '.' means nothing in a rule; write numbers, quantities, parameters and operators"),
        ("9 ** 9 < a", "column 4: found '*'; write a parameter, a number, a quantity or a text in quotes there"),
        ("mode == 'fast", "column 9: the quote ' is not closed; add another '"),
        ("workers in 3", "column 12: found '3'; write a list such as [1, 2, 4] there"),
        ("workers not 3", "column 13: found '3'; write 'in' there"),
        ("(workers < 3", "column 13: found the end of the rule; write an operator or ')' there"),
        (
            "(a < b) + 1 < 2",
            "column 1: a condition stands where a number must; arithmetic and order need numbers or quantities",
        ),
        ("a < 'x'", "column 5: a text stands where a number must; arithmetic and order need numbers or quantities"),
        (
            "a < 3 or 5",
            "column 10: a number stands where a condition must; compare it with something, as in workers <= 4",
        ),
        (
            "500mb < a",
            "column 1: '500mb' is not a quantity; write a number with an optional suffix: "
            "n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent such as e3",
        ),
        ("(" * 31 + "a", "column 32: nested too deeply; at most 30 levels are allowed"),
        ("not " * 1000, "the rule has 4000 characters; at most 1000 are allowed, split it into several"),
        ("1+" * 150 + "1 < a", "the rule has 303 words and signs; at most 200 are allowed, split it"),
    ],
)
def test_refusals_name_the_column_and_what_is_allowed(rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_rule(rule, HERE)


def test_values_are_the_same_when_their_quantities_are() -> None:
    assert same("1", "1000m")
    assert same(1, 1.0)
    assert not same(True, 1)
    assert not same("fast", "slow")


def test_huge_products_stay_cheap() -> None:
    assert holds(" * ".join(["9e99"] * 90) + " > workers")


numbers = st.integers(0, 50).map(str) | st.sampled_from(["0.1", "2.5", "1e2"])
names = st.sampled_from(["a", "b", "c"])
arithmetic = st.recursive(
    numbers | names,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/%"), inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from("+-*/%"), inner)
        | st.builds("-{}".format, inner)
    ),
    max_leaves=6,
)
signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
comparisons = (
    st.builds("{} {} {}".format, arithmetic, signs, arithmetic)
    | st.builds("{} {} {} {} {}".format, arithmetic, signs, arithmetic, signs, arithmetic)
    | st.builds("{} in [{}, {}]".format, arithmetic, arithmetic, arithmetic)
    | st.builds("{} not in [{}]".format, arithmetic, arithmetic)
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("not {}".format, inner)
    ),
    max_leaves=4,
)


class Exact(ast.NodeTransformer):
    """Every number of an expression as a fraction."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.parse(f"Fraction('{node.value}')", mode="eval").body


@given(conditions, st.tuples(*[st.integers(-5, 20) | st.sampled_from([0.1, 2.5])] * 3))
def test_a_rule_means_what_the_same_expression_means_in_python(rule: str, abc: tuple[int | float, ...]) -> None:
    values = dict(zip("abc", abc, strict=True))
    parsed = parse_rule(rule, HERE)
    exact = {name: Fraction(str(value)) for name, value in values.items()}
    try:
        expression = ast.fix_missing_locations(Exact().visit(ast.parse(rule, mode="eval")))
        expected = eval(compile(expression, "rule", "eval"), {"Fraction": Fraction, **exact})
    except ZeroDivisionError:
        expected = False
    assert parsed.holds(values) is expected


words = st.sampled_from(
    ["a", "1", "500m", "<", "<=", "==", "+", "-", "*", "/", "(", ")", "[", "]", ",", "in", "not", "and", "or", "'x'",
     "true"]
)  # fmt: skip


@given(st.text(max_size=60) | st.lists(words).map(" ".join))
def test_any_text_is_a_rule_or_refused_in_words(text: str) -> None:
    try:
        rule = parse_rule(text, HERE)
    except ValueError:
        return
    assert rule.holds({"a": 1, "x": "y"}) in (True, False)
