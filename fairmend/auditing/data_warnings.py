"""Features to check before trusting any result: leaks, identifiers, dates stored as text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from fairmend.auditing.features import area
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.core.types import Floats, Ints

MOSTLY = 0.9
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]\d{1,2}:\d{2}.*)?")


def leaks(y: Ints, outcome_rates: dict[str, Floats], rules: Thresholds) -> dict[str, float]:
    """Return the features that predict the outcome suspiciously well by themselves, with their AUC."""
    areas = {name: area(y == 1, rates)[0] for name, rates in outcome_rates.items()}
    return {name: value for name, value in areas.items() if value >= rules.leakage_auc.value}


def cautions(X: pd.DataFrame, leaking: dict[str, float]) -> list[str]:
    """Return a warning for each feature that looks like a leak, an identifier or a date stored as text."""
    notes = [
        f"{name} predicts the outcome almost perfectly by itself (AUC {value:.3f}): if it was recorded after "
        "the outcome, ignore it. It was not considered as a mediator."
        for name, value in leaking.items()
    ]
    for name in map(str, X.columns):
        if _is_date(X[name]):
            notes.append(
                f"{name} contains dates, which a model treats as unordered categories: derive a number, or ignore it."
            )
        elif _is_identifier(X[name]):
            notes.append(f"{name} is unique in nearly every row: declare it as the row id, or ignore it.")
    return notes


def _is_text(column: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(column)


def _is_date(column: pd.Series[Any]) -> bool:
    if not _is_text(column):
        return False
    sample = [str(value) for value in column.dropna().unique()[:200]]
    return len(sample) > 1 and sum(DATE.fullmatch(text) is not None for text in sample) >= MOSTLY * len(
        sample
    )


def _is_identifier(column: pd.Series[Any]) -> bool:
    """Whether a text is nearly unique, or whole numbers are unique and leave few gaps."""
    known = column.dropna()
    if not len(known):
        return False
    if _is_text(column):
        return bool(known.nunique() >= MOSTLY * len(known))
    numbers = known.to_numpy(dtype=np.float64)
    whole = bool((numbers == np.floor(numbers)).all()) and bool(known.is_unique)
    return whole and float(np.ptp(numbers)) < 2 * len(numbers)
