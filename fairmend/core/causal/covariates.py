"""What an effect is adjusted for: covariates as a causal graph names them, ready for a regression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.errors import unknown

MOST_LEVELS = 50
LEAST_SHARED = 0.5
"""Minimum share of rows that the levels of a text column must cover for it to be used as a covariate."""
OTHER = "other levels"


def regressors(frame: pd.DataFrame, columns: Iterable[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the columns ready for linear methods, and what was done to them.

    Missing numbers take the median; of a text with many levels the rarest are merged.

    Parameters
    ----------
    frame : DataFrame
        The data.
    columns : iterable of str
        Columns to take.

    Returns
    -------
    frame : DataFrame
        Those columns, without missing numbers.
    notes : dict of str to str
        Column to what was done.
    """
    ready, notes = {}, {}
    for name in columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column):
            if gaps := int(column.isna().sum()):
                column = column.astype(float).fillna(float(column.median()))
                notes[name] = f"{gaps} missing values were imputed by the median"
        elif column.nunique() > MOST_LEVELS:
            kept = column.value_counts().index[: MOST_LEVELS - 1]
            column = column.where(column.isin(kept) | column.isna(), OTHER)
            notes[name] = f"all but the {MOST_LEVELS - 1} most frequent levels were merged"
        ready[name] = column
    return pd.DataFrame(ready, index=frame.index), notes


def unshared(frame: pd.DataFrame, columns: Iterable[str]) -> dict[str, str]:
    """Return the texts whose values hardly anybody shares, such as names and dates, each with the reason.

    To adjust for one takes a level a person, which leaves nothing to compare.
    """
    out = {}
    for name in columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) or column.nunique() <= MOST_LEVELS:
            continue
        commonest = column.value_counts(normalize=True)[: MOST_LEVELS - 1]
        if commonest.sum() < LEAST_SHARED:
            out[name] = (
                f"excluded: its {len(commonest)} most frequent values cover {commonest.sum():.0%} of the rows"
            )
    return out


def adjustment(graph: CausalGraph, attribute: str, outcome: str) -> tuple[tuple[str, ...], bool]:
    """Return the covariates to adjust the effect of an attribute for, and whether they identify it.

    Parameters
    ----------
    graph : CausalGraph
        Holds attribute and outcome.
    attribute, outcome : str
        Cause and effect.

    Returns
    -------
    covariates : tuple of str
        The causes of the outcome that the attribute does not influence, if they meet the backdoor
        criterion; else the smallest set that does. They make the estimate more precise, and are what
        a hidden confounder can be compared with.
    identified : bool
        False if no set meets the criterion; the covariates are then the best available.
    """
    away = {attribute, outcome, *graph.descendants(attribute)}
    causes = tuple(c for c in graph.ancestors(outcome) if c not in away)
    if graph.is_adjustment_set(causes, attribute, outcome):
        return causes, True
    sets = graph.adjustment_sets(attribute, outcome)
    return (sets[0], True) if sets else (causes, False)


@dataclass(frozen=True)
class Covariates:
    """Covariates of an effect.

    Attributes
    ----------
    names : tuple of str
        What is adjusted for.
    identified : bool
        Whether the graph says that this identifies the effect.
    notes : dict of str to str
        Column to what was done with it, or why it was excluded.
    frame : DataFrame
        The outcome and these columns, without missing numbers; see :func:`regressors`.
    """

    names: tuple[str, ...]
    identified: bool
    notes: dict[str, str]
    frame: pd.DataFrame

    def to_json(self) -> dict[str, Any]:
        """Return names, identification and notes as plain JSON types."""
        return {"covariates": list(self.names), "identified": self.identified, "notes": self.notes}


def chosen_covariates(
    data: Dataset, attribute: str, graph: CausalGraph, covariates: Sequence[str] | None = None
) -> Covariates:
    """Return the covariates of an attribute's effect: those asked for, otherwise those of the graph.

    Parameters
    ----------
    data : Dataset
        The data.
    attribute : str
        A protected attribute.
    graph : CausalGraph
        Holds the attribute and the outcome, see :func:`adjustment`.
    covariates : sequence of str, optional
        What to adjust for instead; all of them but the attribute itself are kept, see :func:`unshared`.

    Raises
    ------
    UnknownNameError
        There is no such covariate.
    """
    outcome, frame = data.roles.outcome, data.frame
    chosen, identified = adjustment(graph, attribute, outcome)
    if covariates is not None:
        chosen = tuple(name for name in covariates if name != attribute)
        for name in chosen:
            if name not in frame.columns:
                raise unknown("covariate", name, map(str, frame.columns))
        inside = [name for name in chosen if name in graph.nodes]
        identified = graph.is_adjustment_set(inside, attribute, outcome)
    left_out = unshared(frame, chosen) if covariates is None else {}
    chosen = tuple(name for name in chosen if name not in left_out)
    ready, notes = regressors(frame, (outcome, *chosen))
    return Covariates(chosen, identified, {**notes, **left_out}, ready)


def groups_and_reference(data: Dataset, attribute: str, reference: str | None = None) -> tuple[Groups, str]:
    """Return the groups of one attribute, and the reference group: the largest if none is named.

    Raises
    ------
    UnknownNameError
        There is no such group.
    """
    groups = Groups.of(data.sensitive[[attribute]])
    base = groups.labels[int(groups.counts().argmax())] if reference is None else reference
    if base not in groups.labels:
        raise unknown(f"group of {attribute}", base, groups.labels)
    return groups, base
