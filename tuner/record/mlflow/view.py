"""What MLflow's page of a study shows at first sight: which columns, in which order, and which charts. Pure.

Left to itself the page shows its features for language models, or one folded row a study and no metric. What it is to
show is kept in a tag of the experiment, as the page's own *share view* does (``mlflow.sharedViewState.KEY``, opened by
``?viewStateShareKey=KEY``); sorting by a metric is what unfolds the trials. The page takes the tag's state for the whole
of its own, so that every list it looks into has to be there, be it empty.
"""

from __future__ import annotations

import json
from typing import Any

from tuner.record.mlflow.metrics import AGAINST, aims, metric_name
from tuner.record.mlflow.params import longest, numbers, safe, varying
from tuner.space.model import Parameter, SearchSpace
from tuner.study.model import StudyStart

KEY = "tuner"
TAG = f"mlflow.sharedViewState.{KEY}"
QUERY = f"workflowType=machine_learning&viewStateShareKey={KEY}"
_LONGEST = 5000
"""Characters that MLflow keeps of an experiment's tag."""
_CHARTED = 8
"""More axes than that nobody reads."""
# In a window 1440 wide MLflow leaves the table 820 pixels, beside its side bar and its assistant's pane; in one that is
# 1024 wide, 500. What is aimed at and the knobs are to be seen there, if need be with heads that are cut.
_TABLE_PX, _BOX_PX, _NAME_PX, _STATUS_PX = 818, 73, 126, 42
_DIGIT_PX, _LETTER_PX, _PADDING_PX = 8, 6.5, 26
_METRIC_PX, _METRICS_HEAD_PX, _KNOBS_HEAD_PX, _TAG_PX = 59, 130, 72, 90


def path(experiment_id: str) -> str:
    """Of the page, below the server's address."""
    return f"/#/experiments/{experiment_id}/runs?{QUERY}"


def trials_view(start: StudyStart, space: SearchSpace, study_run: str | None = None) -> str:
    """The page's state as JSON: all trials, best first in the first objective; `study_run` is kept on top of them."""
    wanted = aims(start)
    metrics = [f"metrics.`{metric_name(metric)}`" for metric in wanted[:3]]
    more = [f"metrics.`{metric_name(metric)}`" for metric in wanted[3:]]
    against = [f"metrics.`{AGAINST}{metric}`" for metric in wanted[:1]]
    widths = {f"params.`{safe(one.name)}`": _knob_px(one) for one in varying(space)}
    knobs = list(widths)
    left = _TABLE_PX - _BOX_PX - _NAME_PX - _STATUS_PX - sum(widths.values())
    metric_px = min(max(left // (len(metrics) + len(against) or 1), _METRIC_PX), _METRICS_HEAD_PX)
    tags = [f"tags.`{name}`" for name in ("slo", "chosen", "pareto", "outcome")]
    name, began = "attributes.`Run Name`", "runDateAndNestInfo"
    state: dict[str, Any] = {
        "orderByKey": f"metrics.`{metric_name(wanted[0])}`" if wanted else "attributes.start_time",
        "orderByAsc": not start.objectives or start.objectives[0].direction == "minimize",
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": [*metrics, *against, *knobs, *more, *tags],
        "columnOrder": [name, began, *metrics, *against, *knobs, *more, *tags],
        "columnWidths": {
            name: _NAME_PX,
            began: _STATUS_PX,
            **dict.fromkeys((*metrics, *against, *more), metric_px),
            **widths,
            **dict.fromkeys(tags, _TAG_PX),
        },
        "runsExpanded": {},
        "runsPinned": [study_run] if study_run else [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    with_charts = state | _charts([metric_name(metric) for metric in wanted[:3]], numbers(space)[:_CHARTED])
    whole = json.dumps(with_charts, separators=(",", ":"))
    if len(whole) <= _LONGEST:
        return whole
    for name in ("columnOrder", "columnWidths"):
        state[name] = type(state[name])()
    state["selectedColumns"] = [*metrics, *against, *knobs[:_CHARTED]]
    return json.dumps(state, separators=(",", ":"))


def _charts(metrics: list[str], knobs: list[str]) -> dict[str, Any]:
    """Above the page's own charts: the knobs against what is aimed at, and what one objective costs in the other."""
    shared = {"deleted": False, "isGenerated": False, "metricSectionId": "study", "runsCountToCompare": 100}
    cards: list[dict[str, Any]] = []
    if knobs and metrics:
        parallel = {"selectedParams": knobs, "selectedMetrics": metrics[::-1], "showAllRuns": False}
        cards.append({"uuid": "knobs", "type": "PARALLEL", **parallel, **shared})
    axes = [{"key": name, "type": "METRIC"} for name in metrics[:2][::-1]]
    if len(axes) == 2:
        cards.append({"uuid": "objectives", "type": "SCATTER", "xaxis": axes[0], "yaxis": axes[1], **shared})
    if knobs and metrics:
        knob, aim = {"key": knobs[0], "type": "PARAM"}, {"key": metrics[0], "type": "METRIC"}
        cards.append({"uuid": "first-knob", "type": "SCATTER", "xaxis": knob, "yaxis": aim, **shared})
    names = {"study": "At a glance", "model": "Model metrics", "system": "System metrics"}
    kept = {"display": True, "isReordered": False, "deleted": False, "isGenerated": True}
    sections: list[dict[str, Any]] = [{"uuid": uuid, "name": name, **kept} for uuid, name in names.items()]
    sections[0] |= {"columns": 1, "cardHeight": 400}
    return {"compareRunCharts": cards, "compareRunSections": sections} if cards else {}


def _knob_px(parameter: Parameter) -> int:
    """Of a knob's column: its values are to be read whole, and its head where that is not too wide."""
    values = _DIGIT_PX * longest(parameter) + _PADDING_PX
    head = round(_LETTER_PX * len(parameter.name)) + _PADDING_PX
    return max(min(values, _METRICS_HEAD_PX), min(head, _KNOBS_HEAD_PX))
