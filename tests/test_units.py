"""Units: parsing against Kubernetes' own, refusals in words, and what is printed reads back."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils import parse_quantity

from tuner import units

NUMBERS = st.from_regex(r"[+-]?([0-9]{1,12}(\.[0-9]{0,6})?|\.[0-9]{1,6})", fullmatch=True)
SUFFIXES = st.sampled_from(["", *"numkMGTPE", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e+1"])


@given(NUMBERS, SUFFIXES)
def test_a_quantity_is_what_kubernetes_takes_it_for(number: str, suffix: str) -> None:
    assert units.quantity(number + suffix) == parse_quantity(number + suffix)


@given(st.one_of(st.text(max_size=12), st.text(alphabet="0123456789.eE+-numkKMGTPi", max_size=8)))
def test_no_text_is_accepted_that_kubernetes_refuses(text: str) -> None:
    try:
        ours = units.quantity(text)
    except ValueError:
        return
    assert ours == parse_quantity(text)


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_plain_numbers_are_quantities(whole: int, number: float) -> None:
    assert units.quantity(whole) == whole
    assert float(units.quantity(number)) == number


@pytest.mark.parametrize(
    "value", ["", "500mb", "1 Gi", "1K", "1ki", "--1", "1e1000", "9" * 100, "٣", True, float("nan")]
)
def test_what_is_no_quantity_is_refused_with_what_is_allowed(value: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity; write a number with an optional suffix"):
        units.quantity(value)


def test_quantities_compare_as_numbers() -> None:
    assert units.quantity("500m") < units.quantity("1") == units.quantity("1000m")
    assert units.quantity("1Gi") > units.quantity("1G") == Decimal(10**9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("100ms", 0.1),
        ("10m", 600),
        ("1h30m", 5400),
        ("2s", 2),
        ("250us", 0.00025),
        ("3 µs", 3e-6),
        ("1.5 s", 1.5),
        ("1d", 86400),
        (0, 0),
        ("0", 0),
    ],
)
def test_durations(text: str | int, seconds: float) -> None:
    assert units.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (units.seconds, 5, "5 has no unit; write for example 5ms, 5s or 5m"),
        (units.seconds, "1.5", "'1.5' has no unit; write for example 1.5ms, 1.5s or 1.5m"),
        (units.seconds, "2 seconds", "'2 seconds' is not a duration; write for example 250us, 100ms, 2s, 10m or 1h30m"),
        (units.seconds, "-1s", "'-1s' is not a duration; write for example 250us, 100ms, 2s, 10m or 1h30m"),
        (units.rate, "fast", "'fast' is not a rate; write for example 100/s, 6000/m or 1.5k/s"),
        (units.rate, "-1/s", "'-1/s' is not a rate; write for example 100/s, 6000/m or 1.5k/s"),
        (units.ratio, "120%", "'120%' is not a ratio; write a number from 0 to 1 or a percentage such as 0.1%"),
        (units.ratio, -0.1, "-0.1 is not a ratio; write a number from 0 to 1 or a percentage such as 0.1%"),
    ],
)
def test_refusals_show_the_value_and_what_to_write(parse, text, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("100/s", 100), ("6000/m", 100), ("1k/s", 1000), (5, 5), ("2.5 k/s", 2500), ("3600/h", 1)]
)
def test_rates(text: str | int, rate: float) -> None:
    assert units.rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(("text", "ratio"), [("0.1%", 0.001), (0.001, 0.001), ("100 %", 1), (0, 0), (1, 1)])
def test_ratios(text: str | float, ratio: float) -> None:
    assert units.ratio(text) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        (units.format_seconds(0), "0 s"),
        (units.format_seconds(0.0012345), "1.23 ms"),
        (units.format_seconds(0.99999), "1 s"),
        (units.format_seconds(600), "10m"),
        (units.format_seconds(125.2), "2m5s"),
        (units.format_seconds(5400), "1h30m"),
        (units.format_rate(120), "120/s"),
        (units.format_rate(999.9), "1k/s"),
        (units.format_rate(1234), "1.23k/s"),
        (units.format_bytes(250 * 2**20), "250 Mi"),
        (units.format_bytes(1023 * 1024), "1020 Ki"),
        (units.format_bytes(12), "12 B"),
        (units.format_cores(1), "1 core"),
        (units.format_cores(0.5), "0.5 cores"),
        (units.format_ratio(0.001), "0.1 %"),
        (units.format_money(0.031234, "EUR"), "0.0312 EUR"),
        (units.format_metric("money_per_hour", 0.031234), "0.0312 USD/h"),
    ],
)
def test_printing(printed: str, text: str) -> None:
    assert printed == text


@given(
    st.sampled_from(["rate", "seconds", "ratio", "money_per_hour", "cores", "bytes"]),
    st.one_of(st.just(0.0), st.floats(min_value=1e-9, max_value=1e12)),
)
def test_what_is_printed_reads_back_to_three_digits(unit: str, value: float) -> None:
    if unit == "ratio":
        value %= 1
    tolerance = 0.0085 if unit == "seconds" else 0.00501  # durations over two minutes are whole seconds or minutes
    assert units.metric_value(unit, units.format_metric(unit, value)) == pytest.approx(value, rel=tolerance)


@given(st.text(max_size=20), st.sampled_from(["rate", "seconds", "ratio", "money_per_hour", "cores", "bytes"]))
def test_any_text_is_a_number_or_refused_in_words(text: str, unit: str) -> None:
    try:
        value = units.metric_value(unit, text)
    except ValueError:
        return
    assert value >= 0


def test_a_price_is_a_number_with_or_without_its_currency() -> None:
    assert units.metric_value("money_per_hour", "0.12 EUR/h") == units.metric_value("money_per_hour", 0.12) == 0.12
    with pytest.raises(ValueError, match="is not a price; write for example"):
        units.metric_value("money_per_hour", "cheap")


def test_bytes_are_refused_in_units_kubernetes_does_not_have() -> None:
    with pytest.raises(ValueError, match="'1GB' is not a quantity"):
        units.metric_value("bytes", "1GB")
    with pytest.raises(ValueError, match="is negative"):
        units.metric_value("cores", "-1")


@pytest.mark.parametrize("read", [units.seconds, units.rate, units.ratio, units.quantity])
def test_a_number_of_thousands_of_digits_is_refused_at_once(read: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="is not a"):
        read("9" * 5000)


@pytest.mark.parametrize(
    ("gain", "text"), [(0.052, "5.2 %"), (1.2, "120 %"), (123.4, "12,000 %"), (0.000123, "0.012 %")]
)
def test_gains_are_told_without_powers_of_ten(gain: float, text: str) -> None:
    assert units.format_gain(gain) == text
