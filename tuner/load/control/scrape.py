"""Servers' own metrics, read before and after a window: Prometheus text over HTTP, a control call and never load."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tuner.breakdown.counters import Distribution, Labels, Scrape, Series
from tuner.errors import InputError, Problem
from tuner.load.control.exchange import exchange
from tuner.load.model import Exchange, Request, Unanswered
from tuner.uri import masked

if TYPE_CHECKING:
    from prometheus_client import Metric

_SHOWN = 100
_MOST_BYTES = 1 << 22
"""Of one server's metrics: as objects they take many times the memory."""
_STARTED = "process_start_time_seconds"
_HEADERS = MappingProxyType({"Accept": "text/plain;version=0.0.4, */*;q=0.1"})


def scrape(urls: Sequence[str], timeout_s: float = 5.0, ask: Exchange = exchange) -> tuple[Scrape, ...]:
    """Read every address once, all at a time; one that cannot be read says why in `Scrape.problem`.

    `ask` sends the request from where the addresses can be reached: by default from here; for pods of a cluster it is
    the load generator's, which answers one after the other.
    """
    urls = tuple(dict.fromkeys(urls))
    if ask is not exchange:
        return tuple(_scraped(url, timeout_s, ask) for url in urls)
    with ThreadPoolExecutor(max_workers=max(1, min(16, len(urls)))) as threads:
        return tuple(threads.map(lambda url: _scraped(url, timeout_s, ask), urls))


def addresses(urls: Sequence[str], option: str) -> tuple[str, ...]:
    """The same addresses, each once. Raises InputError with all that have no metrics; `option` gave them."""
    problems = [
        Problem.at(
            option,
            f"no address of metrics: {masked(url)!r} {fault}",
            "write it like http://127.0.0.1:6000/metrics",
        )
        for url in urls
        if (fault := _fault(url))
    ]
    if problems:
        raise InputError(problems)
    return tuple(dict.fromkeys(urls))


def parse(url: str, text: str) -> Scrape:
    """Read Prometheus text (exposition format 0.0.4). Raises ValueError for anything else.

    Histograms and summaries become distributions; of a summary's own quantiles, which are of no known window, nothing
    is kept. Gauges are left out.
    """
    from prometheus_client.parser import text_string_to_metric_families

    distributions: dict[Series, Distribution] = {}
    counters: dict[Series, float] = {}
    started_s: float | None = None
    try:
        for family in text_string_to_metric_families(text):
            if family.type in ("histogram", "summary"):
                distributions |= _distributions(family)
            elif family.type == "counter":
                counters |= {(family.name, _labels(sample.labels)): sample.value for sample in family.samples}
            elif family.name == _STARTED and family.samples:
                started_s = family.samples[0].value
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        shown = " ".join(str(error).split())[:_SHOWN]  # it holds a piece of the text
        raise ValueError(f"not Prometheus text: {shown}") from None
    return Scrape(
        url=url,
        started_s=started_s,
        distributions=MappingProxyType(distributions),
        counters=MappingProxyType(counters),
    )


def _fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return "is not of the form http://HOST:PORT/PATH"
        _ = parts.port
    except ValueError as error:
        return f"is no URL ({error})"
    return "holds a user's name or password, which is not sent" if "@" in parts.netloc else ""


def _scraped(url: str, timeout_s: float, ask: Exchange) -> Scrape:
    parts = urlsplit(url)
    path = (parts.path or "/metrics") + (f"?{parts.query}" if parts.query else "")
    request = Request(method="GET", path=path, headers=_HEADERS, body=b"")
    shown = masked(url)
    try:
        answer = ask(f"{parts.scheme}://{parts.netloc}", request, timeout_s)
        if answer.status != 200:
            return Scrape(url=shown, problem=f"its metrics could not be read: status {answer.status}")
        if len(answer.body) > _MOST_BYTES:
            most = _MOST_BYTES >> 20
            return Scrape(url=shown, problem=f"its metrics could not be read: they are longer than {most} MiB")
        return parse(shown, answer.body.decode())
    except (Unanswered, ValueError) as error:
        return Scrape(url=shown, problem=f"its metrics could not be read: {error}")


def _distributions(family: Metric) -> dict[Series, Distribution]:
    buckets: dict[Labels, dict[float, float]] = {}
    sums: dict[Labels, float] = {}
    counts: dict[Labels, float] = {}
    for sample in family.samples:
        suffix = sample.name.removeprefix(family.name)
        if suffix == "_bucket":
            bound = float(sample.labels["le"])
            buckets.setdefault(_labels(sample.labels), {})[bound] = sample.value
        elif suffix == "_sum":
            sums[_labels(sample.labels)] = sample.value
        elif suffix == "_count":
            counts[_labels(sample.labels)] = sample.value
    return {
        (family.name, labels): _distribution(buckets.get(labels, {}), total, counts[labels])
        for labels, total in sums.items()
        if math.isfinite(total) and math.isfinite(counts.get(labels, math.nan))
    }


def _distribution(buckets: dict[float, float], total: float, count: float) -> Distribution:
    if buckets:
        buckets.setdefault(math.inf, count)
    bounds = tuple(sorted(buckets))
    return Distribution(count=count, sum=total, bounds=bounds, cumulative=tuple(buckets[bound] for bound in bounds))


def _labels(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "le"))
