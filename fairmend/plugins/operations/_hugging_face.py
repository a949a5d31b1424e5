"""The YAML header of a model card, in the format of Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from fairmend.base import one_line

OVERALL = (
    "accuracy",
    "balanced_accuracy",
    "expected_calibration_error",
    "demographic_parity_ratio",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
)
BY_GROUP = ("selection_rate", "true_positive_rate", "false_positive_rate", "expected_calibration_error")


def header(record: Mapping[str, Any], name: str, license_id: str | None) -> str:
    """Return the YAML header: name, tags, and the metrics of the final rule on the test data as a model index."""
    final = record["final"]
    cells = [(metric, None, final[metric]) for metric in OVERALL if metric in final]
    cells += [
        (metric, group, figure)
        for metric in BY_GROUP
        if metric in final
        for group, figure in final[metric]["by_group"].items()
    ]
    metrics = []
    for metric, group, figure in cells:
        if figure["value"] is not None:
            args = {
                "group": group and one_line(group),
                "interval": figure["interval"],
                "rows": figure["support"],
            }
            shown = metric.replace("_", " ") + (f", {one_line(group)}" if group else "")
            about = {"name": shown, "args": {k: v for k, v in args.items() if v is not None}}
            metrics.append({"type": metric, "value": figure["value"], **about})
    data = {
        "name": f"data of {one_line(record['run_id'])}",
        "type": "tabular",
        "split": "test",
        "revision": record["data"]["sha256"],
    }
    task = {"type": "tabular-classification"}
    card = {
        **({} if license_id is None else {"license": one_line(license_id)}),
        "library_name": "fairmend",
        "metrics": [metric for metric in OVERALL if metric in final],
        "pipeline_tag": "tabular-classification",
        "tags": ["fairness", "bias-mitigation", record["notion"]],
        "model-index": [{"name": name, "results": [{"task": task, "dataset": data, "metrics": metrics}]}],
    }
    return yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110)
