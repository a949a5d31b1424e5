"""Synthetic loan applications with known bias, drawn from a structural causal model.

Race affects approval through education, area, historical redlining, income and credit score, and slightly
also directly; gender affects it only through employment history. Every column is a function of its causes and
of its own noise, so setting a column while keeping the noise gives the true counterfactual of each applicant.
All data are synthetic and describe no real people.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairmend.base import UsageError, unknown

Column = NDArray[Any]

RACES = ("White", "Black", "Hispanic", "Asian")
GENDERS = ("Male", "Female")
LEVELS = {"race": RACES, "gender": GENDERS}
"""Text columns; the equations use the index of the level."""


# -- the structural equations ------------------------------------------------------------------
# One function a column. Its arguments are the column's direct causes, then its own noise: `u` is
# uniform on (0, 1), `e` is standard normal. The graph of the bank is read off these signatures.


def race(u: Column) -> Column:
    """Draw 60 % White, 18 % Black, 15 % Hispanic and 7 % Asian applicants."""
    return np.searchsorted([0.60, 0.78, 0.93], u, side="right")


def gender(u: Column) -> Column:
    """Draw 52 % men and 48 % women."""
    return (u > 0.52).astype(np.int64)


def age(u: Column) -> Column:
    """Age in years, 21 to 74; younger ages are more frequent."""
    return np.floor(21 + 54 * u**1.3).astype(np.int64)


def education(race: Column, e: Column) -> Column:
    """Years of education, 8 to 20."""
    return np.rint(np.clip(14.2 + _by(race, 0.0, -0.6, -0.9, 0.5) + 2.3 * e, 8, 20)).astype(np.int64)


def zip_code(race: Column, e: Column) -> Column:
    """Index of the area, 1 to 50, ordered by wealth; a proxy for race through residential segregation."""
    return np.ceil(50 * _sigmoid(_by(race, 0.6, -1.4, -0.9, 0.5) + 1.3 * e)).astype(np.int64)


def redlining(race: Column, u: Column) -> Column:
    """1 if the family lived where lenders once refused mortgages."""
    return (u < _by(race, 0.05, 0.55, 0.35, 0.08)).astype(np.int64)


def employment_history(gender: Column, age: Column, e: Column) -> Column:
    """Years of employment; women have more breaks."""
    return np.clip(0.6 * (age - 20) - 2.5 * gender + 2.5 * e, 0, 50).round(1)


def income(education: Column, zip_code: Column, employment_history: Column, e: Column) -> Column:
    """Yearly income in dollars, log-normal."""
    log_income = 10.9 + 0.08 * (education - 14) + 0.006 * (zip_code - 25)
    return np.exp(log_income + 0.008 * (employment_history - 12) + 0.4 * e).round(-2)


def credit_score(income: Column, redlining: Column, e: Column) -> Column:
    """Credit score, 300 to 850; lowered by historical redlining."""
    score = 690 + 60 * np.log(income / 55_000) - 46 * redlining + 55 * e
    return np.rint(np.clip(score, 300, 850)).astype(np.int64)


def loan_amount(u: Column) -> Column:
    """Loan amount in dollars, 5,000 to 50,000."""
    return (5_000 + 45_000 * u**1.5).round(-2)


def debt_to_income(e: Column) -> Column:
    """Debt-to-income ratio."""
    return np.clip(0.32 + 0.10 * e, 0.02, 0.80).round(3)


def approved(
    race: Column,
    zip_code: Column,
    employment_history: Column,
    income: Column,
    credit_score: Column,
    loan_amount: Column,
    debt_to_income: Column,
    u: Column,
) -> Column:
    """Decision of the loan officer: ability to pay, with a penalty on area and on race."""
    merit = (
        2.65
        + 1.8 * (credit_score - 690) / 55
        + 1.3 * np.log(income / 55_000)
        + 0.03 * (employment_history - 12)
        - 0.75 * (debt_to_income - 0.32) / 0.10
        - 0.03 * (loan_amount - 23_000) / 1_000
    )
    bias = 0.012 * (zip_code - 25) + _by(race, 0.0, -0.35, -0.2, 0.0)
    return (u < _sigmoid(merit + bias)).astype(np.int64)


def _sigmoid(x: Column) -> Column:
    return 1 / (1 + np.exp(-x))


def _by(race: Column, white: float, black: float, hispanic: float, asian: float) -> Column:
    return np.array([white, black, hispanic, asian])[race]


EQUATIONS: dict[str, Callable[..., Column]] = {
    equation.__name__: equation
    for equation in (
        race,
        gender,
        age,
        education,
        zip_code,
        redlining,
        employment_history,
        income,
        credit_score,
        loan_amount,
        debt_to_income,
        approved,
    )
}
"""The structural causal model, causes before effects."""

_ARGUMENTS = {name: tuple(inspect.signature(equation).parameters) for name, equation in EQUATIONS.items()}


# -- drawing from the model --------------------------------------------------------------------


@overload
def bank(
    n_rows: int = ...,
    *,
    random_state: int = ...,
    interventions: Mapping[str, ArrayLike] | None = ...,
    return_noise: Literal[False] = ...,
) -> pd.DataFrame: ...


@overload
def bank(
    n_rows: int = ...,
    *,
    random_state: int = ...,
    interventions: Mapping[str, ArrayLike] | None = ...,
    return_noise: Literal[True],
) -> tuple[pd.DataFrame, pd.DataFrame]: ...


def bank(
    n_rows: int = 20_000,
    *,
    random_state: int = 0,
    interventions: Mapping[str, ArrayLike] | None = None,
    return_noise: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """Draw loan applications, with or without interventions.

    Parameters
    ----------
    n_rows : int
        Number of applications, at least 1.
    random_state : int
        Seed, at least 0. Each column has its own noise stream, which interventions do not change: with the
        same seed and number of rows, two draws describe the same applicants.
    interventions : mapping of str to scalar or array of shape (n_rows,), optional
        ``do(column = value)``: the column takes the value instead of following its equation, and its
        descendants follow.
    return_noise : bool
        Also return the noise of all columns.

    Returns
    -------
    frame : pandas.DataFrame
        ``application_id`` (unique), the columns of ``EQUATIONS`` in that order; ``race`` and
        ``gender`` as text, the rest as numbers; ``approved`` is 0 or 1.
    noise : pandas.DataFrame
        Only with ``return_noise``: one column of noise for each column of the model.

    Raises
    ------
    UsageError
        If ``n_rows`` or ``random_state`` is out of range, or a value does not fit its column.
    UnknownNameError
        If an intervention names no column of the model.

    Examples
    --------
    >>> applications = bank(1_000)
    >>> as_black = bank(1_000, interventions={"race": "Black"})
    >>> bool(as_black["credit_score"].mean() < applications["credit_score"].mean())
    True
    """
    if n_rows < 1 or random_state < 0:
        raise UsageError(
            f"the bank needs n_rows >= 1 and random_state >= 0; got n_rows={n_rows}, random_state={random_state}"
        )
    forced = {name: _forced(name, value, n_rows) for name, value in (interventions or {}).items()}
    columns: dict[str, Column] = {}
    noise: dict[str, Column] = {}
    streams = np.random.SeedSequence(random_state).spawn(len(EQUATIONS))
    for (name, equation), stream in zip(EQUATIONS.items(), streams, strict=True):
        *causes, kind = _ARGUMENTS[name]
        if return_noise or name not in forced:
            generator = np.random.default_rng(stream)
            drawn = generator.random(n_rows) if kind == "u" else generator.standard_normal(n_rows)
        if return_noise:
            noise[name] = drawn
        columns[name] = forced[name] if name in forced else equation(*(columns[c] for c in causes), drawn)
    frame = pd.DataFrame(
        {"application_id": np.arange(1, n_rows + 1)}
        | {
            name: pd.Index(LEVELS[name]).take(column) if name in LEVELS else column
            for name, column in columns.items()
        }
    )
    return (frame, pd.DataFrame(noise)) if return_noise else frame


def _forced(name: str, value: ArrayLike, n_rows: int) -> Column:
    """Return the values of an intervention as the equations use them."""
    if name not in EQUATIONS:
        raise unknown("column of the bank", name, EQUATIONS)
    column = np.asarray(value)
    if column.shape not in ((), (n_rows,)):
        raise UsageError(f"do({name}) needs one value or {n_rows:,} of them; got shape {column.shape}")
    if name in LEVELS:
        levels = LEVELS[name]
        column = pd.Index(levels).get_indexer(pd.Index(np.atleast_1d(column)))
        if (column < 0).any():
            raise UsageError(f"do({name}) takes {', '.join(levels)}; got {_first_other(value, levels)!r}")
    elif column.dtype.kind not in "biuf" or not np.isfinite(column).all():
        raise UsageError(f"do({name}) takes finite numbers; got {value!r:.60}")
    return np.broadcast_to(column, n_rows).copy()


def _first_other(values: ArrayLike, levels: tuple[str, ...]) -> object:
    return next(v for v in np.atleast_1d(np.asarray(values, dtype=object)) if v not in levels)


# -- what is known about the model -------------------------------------------------------------


def bank_graph() -> dict[str, Any]:
    """Return the causal graph of the bank, in the form that ``CausalGraph.from_mapping`` reads."""
    return {
        "nodes": list(EQUATIONS),
        "edges": [
            {"from": cause, "to": name, "provenance": "expert"}
            for name in EQUATIONS
            for cause in _ARGUMENTS[name][:-1]
        ],
    }


def bank_roles() -> dict[str, Any]:
    """Return the roles of the bank's columns, under the names that ``Roles`` gives them."""
    return {
        "outcome": "approved",
        "favorable": 1,
        "protected": ["race", "gender"],
        "mediators": ["education", "income", "credit_score"],
        "resolving": ["employment_history"],
        "proxies": ["zip_code", "redlining"],
        "key": "application_id",
    }


@dataclass(frozen=True)
class TrueEffects:
    """Mean effects on the approval rate in the population of the bank (Pearl 2001).

    Attributes
    ----------
    total : float
        ``E[Y_1 - Y_0]``: all treated compared with none.
    direct : float
        Natural direct effect ``E[Y_{1, M_0} - Y_0]``: the mediators keep their untreated values.
    indirect : float
        Total natural indirect effect ``E[Y_1 - Y_{1, M_0}]``; ``total = direct + indirect``.
    """

    total: float
    direct: float
    indirect: float


def true_effects(
    attribute: str = "race",
    treated: ArrayLike = "Black",
    reference: ArrayLike = "White",
    *,
    mediators: tuple[str, ...] | None = None,
    n_rows: int = 1_000_000,
    random_state: int = 0,
) -> TrueEffects:
    """Simulate the true effects of an attribute on approval.

    All noise is shared between the counterfactuals, so the only error is that of the mean over ``n_rows``
    applicants: a standard error below 0.0005 at one million rows.

    Parameters
    ----------
    attribute : str
        The column to set.
    treated, reference : scalar
        Its two values.
    mediators : tuple of str, optional
        Columns to hold at their reference values; by default all that the attribute influences.
    n_rows : int
        Number of applicants to simulate.
    random_state : int
        Seed.

    Returns
    -------
    TrueEffects

    Raises
    ------
    UnknownNameError
        If the attribute or a mediator is not a column of the model.
    UsageError
        If a value does not fit the attribute.
    """
    reached = [attribute]
    for name in EQUATIONS:
        if set(reached) & set(_ARGUMENTS[name]):
            reached.append(name)
    held = tuple(name for name in reached[1:] if name != "approved") if mediators is None else mediators

    def world(value: ArrayLike, **others: ArrayLike) -> pd.DataFrame:
        settings = {attribute: value} | others
        return bank(n_rows, random_state=random_state, interventions=settings)

    base, full = world(reference), world(treated)
    for name in held:
        if name not in EQUATIONS:
            raise unknown("column of the bank", name, EQUATIONS)
    mixed = world(treated, **{name: base[name].to_numpy() for name in held})
    y_0, y_1, y_1_m0 = (w["approved"].to_numpy() for w in (base, full, mixed))
    return TrueEffects(
        total=float(np.mean(y_1 - y_0)),
        direct=float(np.mean(y_1_m0 - y_0)),
        indirect=float(np.mean(y_1 - y_1_m0)),
    )
