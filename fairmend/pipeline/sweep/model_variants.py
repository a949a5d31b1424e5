"""Variants of the plain model that a modeler would try: features, settings, monotone constraints, seeds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field
from scipy import stats
from sklearn.base import clone

from fairmend.auditing.features import Binned, association, binned
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.errors import UsageError, unknown
from fairmend.core.models.learners import TableEncoder
from fairmend.core.text.validation import ClosedModel

VariantKind = Literal["features", "hyperparameters", "regularization", "monotone", "seed", "combined"]
Sign = Literal[-1, 1]
SIGNS: dict[str, Sign] = {"+": 1, "-": -1}

STRONGEST = 8
"""Proxies that are left out one at a time; of the strongest, groups of two and more are left out."""
CLEAR = 0.01
"""P-value below which the sign of an association with the outcome counts as known."""
MOST_PARTS = 4

Settings = Mapping[str, Any]
GRIDS: dict[str, dict[VariantKind, tuple[Settings, ...]]] = {
    "gradient_boosting": {
        "hyperparameters": (
            {"max_leaf_nodes": 7}, {"max_depth": 2}, {"learning_rate": 0.05}, {"max_iter": 50},
            {"max_leaf_nodes": 15}, {"max_depth": 3}, {"learning_rate": 0.05, "max_iter": 200},
            {"max_leaf_nodes": 63}, {"max_iter": 200}, {"max_depth": 1, "max_iter": 200},
        ),
        "regularization": (
            {"l2_regularization": 10.0}, {"min_samples_leaf": 100}, {"max_features": 0.5},
            {"l2_regularization": 1.0}, {"min_samples_leaf": 50}, {"l2_regularization": 100.0},
            {"min_samples_leaf": 200}, {"max_features": 0.25},
        ),
        # With all features at every split the trees do not depend on the seed.
        "seed": tuple({"max_features": 0.7, "random_state": s} for s in range(1, 9)),
    },
    "logistic_regression": {
        "hyperparameters": ({"class_weight": "balanced"}, {"fit_intercept": False}),
        "regularization": tuple({"C": c} for c in (0.1, 0.01, 10.0, 0.03, 0.003, 0.001, 100.0, 0.3)),
    },
    "decision_tree": {
        "hyperparameters": (
            {"max_depth": 4}, {"max_depth": 6}, {"max_depth": 5}, {"criterion": "entropy"},
            {"max_depth": 3}, {"max_leaf_nodes": 16}, {"max_leaf_nodes": 32},
        ),
        "regularization": (
            {"min_samples_leaf": 100}, {"ccp_alpha": 0.001}, {"min_samples_leaf": 200},
            {"ccp_alpha": 0.0003}, {"min_samples_leaf": 400}, {"ccp_alpha": 0.003},
        ),
        "seed": tuple({"max_features": 0.7, "random_state": s} for s in range(1, 9)),
    },
}  # fmt: skip
"""Settings to try, by learner and kind, the most usual first."""


class ModelVariant(ClosedModel):
    """How a model differs from the plain one; neither reads protected attributes."""

    kind: VariantKind
    without: tuple[str, ...] = Field(default=(), description="features left out")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings of the learner")
    monotone: dict[str, Sign] = Field(
        default_factory=dict, description="features along which scores may only rise (1) or fall (-1)"
    )

    @property
    def name(self) -> str:
        """What to call it."""
        told = [
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.settings.items()
        ]
        if self.without:
            told.insert(0, f"without {_listed(self.without)}")
        if self.monotone:
            told.append(f"monotone in {_listed(tuple(self.monotone))}")
        return ", ".join(told)

    @property
    def mark(self) -> str:
        """Identity of the variant, whatever its kind."""
        return json.dumps(self.model_dump(mode="json", exclude={"kind"}), sort_keys=True)

    @property
    def changes(self) -> int:
        """Number of changes, for the choice of the simplest."""
        return len(self.without) + len(self.settings) + bool(self.monotone)

    def joined(self, other: ModelVariant) -> Self:
        """Return both together."""
        return self.model_copy(
            update={
                "kind": "combined",
                "without": tuple(dict.fromkeys((*self.without, *other.without))),
                "settings": {**self.settings, **other.settings},
                "monotone": {**self.monotone, **other.monotone},
            }
        )

    def applied(self, case: Case) -> Case:
        """Return a case with this variant trained in place of its model."""
        parts = {
            name: getattr(case, name).without(self.without) for name in ("train", "calibration", "validation")
        }
        settings = dict(self.settings)
        if self.monotone:
            settings["monotonic_cst"] = _by_position(self.monotone, parts["train"])
        learner = clone(case.learner).set_params(**{f"classifier__{k}": v for k, v in settings.items()})
        return case.replace(**parts, learner=learner, model=None).retrained()


def _by_position(monotone: Mapping[str, Sign], train: Dataset) -> list[int]:
    """Return the constraint of each column that the classifier reads, behind the encoding."""
    names = TableEncoder().fit(train.X).encoder_.get_feature_names_out()
    return [monotone.get(name.partition("__")[2], 0) for name in names]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


class ModelSpace:
    """What may be varied in a model on some data.

    Parameters
    ----------
    data : Dataset
        Rows that are not of the test part.
    learner : str
        Name of the learner.
    monotone : mapping of str to {1, -1}, optional
        Signs that the user demands; other numeric features take the sign of their association with the
        outcome.

    Attributes
    ----------
    proxies : dict of str to float
        Association of each feature with the protected attributes, the strongest first: the square of
        Cramer's V of its bins and the groups.
    signs : dict of str to {1, -1}
        The known sign of each numeric feature.
    notes : tuple of str
        What could not be varied, and why.

    Raises
    ------
    UsageError
        ``monotone`` names what is no numeric feature.
    """

    def __init__(self, data: Dataset, learner: str, monotone: Mapping[str, Sign] | None = None) -> None:
        self.learner = learner
        features = {str(name): binned(data.X[name]) for name in data.X.columns}
        numeric = [name for name, feature in features.items() if feature.values is not None]
        for name in monotone or {}:
            if name not in features:
                raise UsageError(str(unknown("feature", name, features)))
            if name not in numeric:
                raise UsageError(f"monotone constraints are for numeric features; {name!r} holds categories")
        self.proxies = _proxies(data, features)
        known = {name: _sign(features[name], data) for name in numeric}
        self.demanded: dict[str, Sign] = dict(monotone or {})
        self.signs: dict[str, Sign] = {
            **{name: sign for name, sign in known.items() if sign is not None},
            **self.demanded,
        }
        self.notes = tuple(self._not_varied())

    @property
    def takes_monotone(self) -> bool:
        """Whether the learner takes monotone constraints."""
        return self.learner != "logistic_regression"

    def _not_varied(self) -> Iterator[str]:
        if not self.takes_monotone:
            yield "Logistic regression is monotone in every numeric feature already: no constraints were tried."
            yield "Logistic regression has one optimum whatever the seed: no seeds were tried."
        if len(self.proxies) < 2:
            yield "The model reads a single feature, which cannot be left out."

    def of(self, kind: VariantKind) -> list[ModelVariant]:
        """Return the variants of one kind, the most promising first; ``combined`` are drawn from these."""
        if kind == "features":
            return [ModelVariant(kind=kind, without=names) for names in self._left_out()]
        if kind == "monotone":
            return [ModelVariant(kind=kind, monotone=signs) for signs in self._constraints()]
        grid = GRIDS[self.learner].get(kind, ())
        return [ModelVariant(kind=kind, settings=dict(settings)) for settings in grid]

    def combined(self, rng: np.random.Generator) -> Iterator[ModelVariant]:
        """Yield variants that differ in two or three ways, drawn at random, each once."""
        kinds: list[VariantKind] = ["features", "hyperparameters", "regularization", "monotone", "seed"]
        by_kind = [found for found in map(self.of, kinds) if found]
        seen: set[str] = set()
        for _ in range(100 * sum(map(len, by_kind))):
            count = min(int(rng.integers(2, 4)), len(by_kind))
            chosen = np.sort(rng.choice(len(by_kind), count, replace=False))
            first, *rest = (by_kind[k][int(rng.integers(len(by_kind[k])))] for k in chosen)
            for other in rest:
                first = first.joined(other)
            if rest and first.mark not in seen:
                seen.add(first.mark)
                yield first

    def _left_out(self) -> Iterator[tuple[str, ...]]:
        """Yield the features to leave out: the strongest proxies one at a time, then groups of them."""
        names = list(self.proxies)
        strongest = names[: min(STRONGEST, len(names) - 1)]
        yield from ((name,) for name in strongest[:4])
        yield from (tuple(strongest[:size]) for size in range(2, len(strongest) + 1))
        yield from ((name,) for name in strongest[4:])
        yield from (pair for pair in itertools.combinations(strongest, 2) if pair != tuple(strongest[:2]))

    def _constraints(self) -> Iterator[dict[str, Sign]]:
        """Yield the monotone constraints: those requested, all known signs, then only the strongest proxies."""
        if not self.takes_monotone:
            return
        if self.demanded:
            yield dict(self.demanded)
        if self.signs and self.signs != self.demanded:
            yield dict(self.signs)
        yield from (
            {name: self.signs[name]} for name in self.proxies if name in self.signs and len(self.signs) > 1
        )


def _proxies(data: Dataset, features: Mapping[str, Binned]) -> dict[str, float]:
    """Return the association of each feature with the attribute that it predicts best, the strongest first."""
    attributes = [Groups.of(data.sensitive[[a]]).codes for a in data.sensitive.columns]
    found = {name: max(association(feature, a) for a in attributes) for name, feature in features.items()}
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _sign(feature: Binned, data: Dataset) -> Sign | None:
    """Return the sign of the rank correlation of a numeric feature with the outcome, None where it is not clear."""
    values = np.asarray(feature.values)
    known = ~np.isnan(values)
    if len(np.unique(values[known])) < 2 or len(np.unique(data.y[known])) < 2:
        return None
    found = stats.spearmanr(values[known], data.y[known])
    if found.pvalue >= CLEAR:
        return None
    return 1 if found.statistic > 0 else -1


def parse_monotone(words: Sequence[str]) -> dict[str, Sign]:
    """Return the constraints that texts of the form ``COLUMN=+`` or ``COLUMN=-`` ask for.

    Raises
    ------
    UsageError
        A word of another form, or a column that is named with both signs.

    Examples
    --------
    >>> parse_monotone(["income=+", "debt=-"])
    {'income': 1, 'debt': -1}
    """
    found: dict[str, Sign] = {}
    for word in words:
        name, _, sign = word.rpartition("=")
        if not name or sign not in SIGNS:
            raise UsageError(f"a monotone constraint is COLUMN=+ or COLUMN=-, got {word!r}")
        if found.setdefault(name, SIGNS[sign]) != SIGNS[sign]:
            raise UsageError(f"the monotone constraint of {name!r} is given with both signs")
    return found
