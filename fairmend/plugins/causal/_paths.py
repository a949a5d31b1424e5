"""The columns through which an attribute acts on the outcome."""

from __future__ import annotations

from collections.abc import Sequence

from fairmend.base import CausalGraph, Dataset, UsageError, unknown, unshared


def chosen_mediators(
    data: Dataset,
    attribute: str,
    graph: CausalGraph,
    mediators: Sequence[str] | None,
    covariates: Sequence[str],
) -> tuple[list[str], dict[str, str]]:
    """Return the mediators of an attribute: those asked for, otherwise all of the graph.

    Parameters
    ----------
    data : Dataset
        The data.
    attribute : str
        A protected attribute.
    graph : CausalGraph
        Holds the attribute and the outcome.
    mediators : sequence of str, optional
        What to take instead; all of it is kept.
    covariates : sequence of str
        What is adjusted for.

    Returns
    -------
    mediators : list of str
        Columns of the data.
    notes : dict of str to str
        Column to why it was excluded.

    Raises
    ------
    UnknownNameError
        There is no such column.
    UsageError
        A column is both a mediator and a covariate.
    """
    known = [str(name) for name in data.frame.columns if name not in (attribute, data.roles.outcome)]
    chosen = graph.roles(attribute, data.roles.outcome).mediators if mediators is None else mediators
    for name in chosen:
        if name not in known:
            raise unknown("mediator", name, known)
    if mediators is not None:
        if both := [name for name in chosen if name in covariates]:
            raise UsageError(
                f"a column must be a mediator or a covariate, but {both[0]!r} is both; give it one role"
            )
        return list(chosen), {}
    left_out = unshared(data.frame, chosen)
    left_out |= {name: "excluded: it is adjusted for as a covariate" for name in chosen if name in covariates}
    return [name for name in chosen if name not in left_out], left_out


def is_identified(
    graph: CausalGraph, attribute: str, outcome: str, mediators: list[str], covariates: tuple[str, ...]
) -> bool:
    """Return whether the covariates block all confounding of attribute, mediators and outcome."""
    given = [name for name in covariates if name in graph.nodes]
    through = [name for name in mediators if name in graph.nodes]
    return graph.is_adjustment_set(given, [attribute, *through], outcome) and all(
        graph.is_adjustment_set(given, attribute, mediator) for mediator in through
    )
