"""Hard limits on what may be recommended; each exclusion has a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from fairmend.core.errors import UsageError, unknown
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.text.validation import ClosedModel
from fairmend.core.vocabulary import LEVELS, NOTIONS, STAGES, TASKS, Level, Notion, Stage, Task

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


class Constraints(ClosedModel):
    """What a technique must not need or do; ``None`` and ``True`` impose no limit.

    Examples
    --------
    >>> limits = Constraints.parse(["retraining=false", "max_complexity=low"])
    >>> limits.retraining, limits.max_complexity
    (False, 'low')
    """

    retraining: bool | None = Field(default=None, description="false: the model cannot be retrained")
    protected_at_prediction: bool | None = Field(
        default=None, description="false: the protected attribute may not be used for a decision"
    )
    protected_at_fit: bool | None = Field(
        default=None, description="false: the protected attribute is not available at fit"
    )
    randomized: bool | None = Field(default=None, description="false: decisions may not be randomized")
    causal_graph: bool | None = Field(default=None, description="false: there is no causal graph")
    labels: bool | None = Field(default=None, description="false: there are no labels")
    max_complexity: Level | None = Field(default=None, description="low or medium: maximum complexity")
    max_weeks: float | None = Field(default=None, gt=0, description="weeks available for implementation")
    stage: Stage | None = Field(default=None, description="only this stage")
    task: Task | None = Field(default=None, description="binary, multiclass, regression or ranking")
    notion: Notion | None = Field(default=None, description="only techniques that target this notion")
    rows: int | None = Field(default=None, ge=1, description="number of rows")
    groups: int | None = Field(default=None, ge=2, description="number of groups")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.retraining is False and self.stage in {"pre-processing", "in-processing"}:
            raise UsageError(
                f"the constraints contradict each other: {self.stage} always retrains, and retraining=false forbids it"
            )
        if self.protected_at_fit is False and self.protected_at_prediction is True:
            raise UsageError(
                "the constraints contradict each other: an attribute that is missing at fit cannot be read at prediction"
            )
        return self

    @classmethod
    def parse(cls, given: Mapping[str, Any] | Iterable[str] | Constraints | None) -> Constraints:
        """Return constraints from a mapping or from ``key=value`` words.

        Raises
        ------
        UsageError
            An unknown constraint, a value that it cannot take, or a contradiction.
        """
        if isinstance(given, Constraints):
            return given
        values: dict[str, Any] = {}
        pairs = given.items() if isinstance(given, Mapping) else (_pair(word) for word in given or ())
        for key, value in pairs:
            name = str(key).replace("-", "_")
            if name not in cls.model_fields:
                raise UsageError(str(unknown("constraint", name, cls.model_fields)))
            parsed = _WORDS.get(value.lower(), value) if isinstance(value, str) else value
            if name in values and values[name] != parsed:
                raise UsageError(
                    f"the constraints contradict each other: {name} is given as {values[name]!r} and as {parsed!r}"
                )
            values[name] = parsed
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, UsageError):
                raise cause from error
            name = str(first["loc"][0])
            raise UsageError(
                f"constraint {name} must be {_choices(name)}, got {values.get(name)!r}"
            ) from error

    def reason(self, technique: TechniqueMetadata) -> str | None:
        """Return why a technique is excluded, or None if it is not."""
        for broken, why in (
            (self.stage is not None and technique.stage != self.stage, f"its stage is {technique.stage}"),
            (self.retraining is False and technique.needs_retraining, "needs retraining"),
            (
                self.protected_at_prediction is False and technique.needs_protected_at_prediction,
                "reads the protected attribute for every decision",
            ),
            (
                self.protected_at_fit is False and technique.needs_protected_at_fit,
                "reads the protected attribute at fit",
            ),
            (self.randomized is False and technique.randomized, "draws decisions at random"),
            (self.causal_graph is False and technique.needs_graph, "needs a causal graph"),
            (self.labels is False and technique.needs_labels, "needs labels"),
            (
                self.max_complexity is not None
                and LEVELS.index(technique.complexity) > LEVELS.index(self.max_complexity),
                f"its complexity is {technique.complexity}",
            ),
            (
                self.max_weeks is not None and technique.duration_weeks[0] > self.max_weeks,
                f"takes at least {technique.duration_weeks[0]:g} weeks",
            ),
            (
                self.task is not None and self.task not in technique.tasks,
                f"does not support the task {self.task}",
            ),
            (
                self.notion is not None and self.notion not in technique.targets,
                f"does not target {self.notion}",
            ),
            (
                self.rows is not None and technique.minimum_rows > self.rows,
                f"needs at least {technique.minimum_rows} rows",
            ),
            (
                self.groups is not None and self.groups > 2 and "many groups" not in technique.arity,
                f"supports exactly two groups, got {self.groups}",
            ),
        ):
            if broken:
                return why
        return None


def _pair(word: str) -> tuple[str, str]:
    key, found, value = str(word).partition("=")
    if not found or not key or not value:
        raise UsageError(f"expected a constraint of the form KEY=VALUE, got {word!r}")
    return key.strip(), value.strip()


def _choices(name: str) -> str:
    listed = {"stage": STAGES, "task": TASKS, "notion": NOTIONS, "max_complexity": LEVELS}.get(name)
    if listed:
        return "one of " + ", ".join(listed)
    return "a positive number" if name in {"rows", "groups", "max_weeks"} else "true or false"
