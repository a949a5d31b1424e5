"""What each column of a data set is for."""

from __future__ import annotations

import math
from typing import Any, Self

from pydantic import Field, model_validator

from fairmend.core.errors import UsageError
from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import Task


class Roles(ClosedModel):
    """What each column is for; a column that no role names is a feature of the model.

    Mediators, resolving variables and proxies are features, too: the roles say how bias may
    travel through them. Protected attributes are kept out of the model unless
    ``protected_in_model`` says otherwise.
    """

    outcome: str = Field(description="column of the label")
    favorable: str | int | float | bool | None = Field(
        default=None,
        description="value of the outcome that people want, or an expression such as '>=10'; 1 or True if nothing "
        "is said. Of a regression or a ranking: high or low",
    )
    task: Task | None = Field(
        default=None, description="binary, multiclass, regression or ranking; detected if nothing is said"
    )
    query: str | None = Field(
        default=None, description="column that identifies rows that are ranked together"
    )
    protected: tuple[str, ...] = Field(min_length=1, description="protected attributes")
    mediators: tuple[str, ...] = Field(
        default=(), description="features on a causal path from a protected attribute"
    )
    resolving: tuple[str, ...] = Field(
        default=(),
        description="mediators whose influence is accepted as non-discriminatory (Kilbertus et al. 2017)",
    )
    proxies: tuple[str, ...] = Field(
        default=(), description="features that are proxies for a protected attribute"
    )
    weights: str | None = Field(default=None, description="column of sample weights")
    key: str | None = Field(default=None, description="column that identifies a row")
    ignored: tuple[str, ...] = Field(default=(), description="columns to ignore entirely")
    allowed_features: tuple[str, ...] = Field(
        default=(),
        description="features that predict the outcome almost perfectly but are known before the decision",
    )
    protected_in_model: bool = Field(
        default=False, description="whether the model may read the protected attributes"
    )
    cuts: dict[str, tuple[float, ...]] = Field(
        default_factory=dict, description="upper bounds of the groups of a numeric protected attribute"
    )

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        single: dict[str, str] = {}
        named: list[tuple[str, Any]] = [
            ("outcome", (self.outcome,)),
            ("protected", self.protected),
            ("weights", (self.weights,) if self.weights else ()),
            ("key", (self.key,) if self.key else ()),
            ("query", (self.query,) if self.query else ()),
            ("ignored", self.ignored),
        ]
        causal = [("mediators", self.mediators), ("resolving", self.resolving), ("proxies", self.proxies)]
        for role, columns in named:
            for column in columns:
                if column in single:
                    raise UsageError(
                        f"column {column!r} is named both as {single[column]} and as {role}; give it one role"
                    )
                single[column] = role
        for role, columns in causal:
            for column in columns:
                if column in single:
                    raise UsageError(
                        f"column {column!r} is named both as {single[column]} and as {role}; give it one role"
                    )
        for column in self.allowed_features:
            if single.get(column, "protected") != "protected":
                raise UsageError(
                    f"column {column!r} is allowed as a feature and named as {single[column]}; give it one role"
                )
        if self.query is not None and self.task not in (None, "ranking"):
            raise UsageError(
                f"a query column requires the task ranking, but the task is {self.task}; leave one out"
            )
        stray = sorted(set(self.cuts) - set(self.protected))
        if stray:
            raise UsageError(
                f"bin edges are given for {', '.join(stray)}, which is not a protected attribute"
            )
        if any(not edges or not all(map(math.isfinite, edges)) for edges in self.cuts.values()):
            raise UsageError("bin edges must be finite numbers, at least one per attribute")
        return self

    def not_features(self) -> set[str]:
        """Return the columns that the model does not read."""
        out = {self.outcome, *self.ignored}
        out |= {c for c in (self.weights, self.key, self.query) if c}
        if not self.protected_in_model:
            out |= set(self.protected)
        return out
