"""A page from its template: one HTML file that loads nothing from anywhere.

Text in it is escaped, and the page's own policy (Content-Security-Policy) keeps a browser from loading or sending
anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.report.plot import Chart


def render(template: str, *, charts: Sequence[Chart] = (), live: bool = False, **values: Any) -> str:
    """`charts` are drawn in the places ``chart-0``, ``chart-1``, ... of the template. `live`: the page asks where it came
    from whether there is more."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tuner.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(charts=charts, live=live, **values)
