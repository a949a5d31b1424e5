"""What the causal analyses say together: the graph, how a disparity comes about, and where to intervene.

Each figure comes from a technique of the catalog. This module puts them in order: the graph and the roles of
the columns first, then the parts of each disparity, what of it runs through each mediator, how strong a hidden
cause would have to be, what the model would say of the same people in another group, and the recommendation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fairmend.catalog.registry import Registry
from fairmend.core.causal.graph import CausalGraph, Edge
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import UsageError
from fairmend.core.findings import Finding
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.stages import CausalResult

STRUCTURE, PARTS_OF, THROUGH = "causal-graph-construction", "causal-explanation-formula", "mediation-analysis"
ROBUSTNESS, COUNTERFACTUAL = "sensitivity-analysis", "counterfactual-fairness"
PARTS = ("total", "direct", "indirect", "spurious")
ASSUMED = {"role", "audit", "data"}
"""Provenances of edges that no expert drew: what the data deny of them is taken out."""

Estimated = Mapping[str, Any]
"""``estimate``, ``se`` and ``interval`` of an effect, on the scale of the outcome."""


@dataclass(frozen=True)
class Disparity:
    """How the outcome of one group differs from that of the reference group, and why.

    Attributes
    ----------
    attribute, group, reference : str
        What is compared.
    support : int
        Rows of the smaller group.
    measured : bool
        Whether there are enough rows; without them nothing else is known.
    parts : mapping
        ``total``, ``direct``, ``indirect`` and ``spurious``, each with estimate and interval; the last
        three add up to the first.
    through : mapping
        By mediator, the effect that runs through it. Effects through single mediators need not add up.
    identified : bool
        Whether the graph identifies the parts.
    robustness_value : float or None
        Partial R2 that a hidden cause would need with group and outcome to explain the adjusted difference
        away.
    e_value, e_value_limit : float or None
        The same on the scale of risk ratios, for the estimate and for the end of its interval nearer to 1.
    """

    attribute: str
    group: str
    reference: str
    support: int
    measured: bool
    parts: Mapping[str, Estimated]
    through: Mapping[str, Estimated]
    identified: bool
    robustness_value: float | None
    e_value: float | None
    e_value_limit: float | None

    @property
    def text(self) -> str:
        """The parts as a sentence."""
        against = f"{self.group} against {self.reference} ({self.attribute})"
        if not self.measured:
            return f"{against}: too few rows ({self.support})"
        told = ", ".join(f"{name} {_figure(self.parts[name])}" for name in PARTS[1:])
        doubt = "" if self.identified else "; the graph does not identify the parts"
        return f"{against}: {_figure(self.parts['total'])}, of which {told}{doubt}"


@dataclass(frozen=True)
class CausalAssessment:
    """What is known, and assumed, about the causes of disparities.

    Attributes
    ----------
    graph : CausalGraph
        What experts are asked to sign: without the assumed edges that the data deny.
    source : str
        ``expert`` or ``assumed`` (from roles, audit and data).
    columns : tuple of mapping
        Role and dependence of each column.
    denied : tuple of (str, str)
        Assumed effects that the data deny; they are not in the graph.
    contradictions : tuple of str
        What else in data, audit or roles contradicts the graph.
    disparities : tuple of Disparity
        One for each group and attribute.
    counterfactual : mapping
        What the model would say of the same people in another group (technique 58).
    recommended : tuple of mapping
        Where to intervene: ``stage``, ``columns`` and ``reason``.
    repair : tuple of str
        Columns that a pipeline repairs if it is given this graph.
    """

    graph: CausalGraph
    source: str
    columns: tuple[Mapping[str, Any], ...]
    denied: tuple[tuple[str, str], ...]
    contradictions: tuple[str, ...]
    disparities: tuple[Disparity, ...]
    counterfactual: Mapping[str, Any]
    recommended: tuple[Mapping[str, Any], ...]
    repair: tuple[str, ...]

    @property
    def clearest(self) -> Disparity | None:
        """The disparity that is farthest from 0 in standard errors; None where no group has enough rows."""
        measured = [one for one in self.disparities if one.measured]
        return max(measured, key=lambda one: _clearness(one.parts["total"]), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the assessment for JSON."""
        return {
            **asdict(replace(self, graph=CausalGraph(()))),
            "graph": self.graph.to_mapping(),
            "denied": [list(pair) for pair in self.denied],
        }


def assess_causes(
    data: Dataset,
    registry: Registry,
    model: FairModel,
    *,
    graph: CausalGraph | None = None,
    findings: Sequence[Finding] = (),
    require: Iterable[tuple[str, str]] = (),
    forbid: Iterable[tuple[str, str]] = (),
) -> CausalAssessment:
    """Return what the causal analyses say of data and of a model.

    Parameters
    ----------
    data : Dataset
        The data, with a binary outcome.
    registry : Registry
        Where techniques come from.
    model : FairModel
        The fitted rule to audit, trained on other rows.
    graph : CausalGraph, optional
        An expert's graph; without one it is assumed from roles, audit and data.
    findings : sequence of Finding
        What an audit found.
    require, forbid : iterable of (str, str)
        Effects that experts know to be there, or not to be there.

    Raises
    ------
    UsageError
        An effect is both required and forbidden, or the graph gets a cycle.
    DataError
        A column of the graph is missing, or there are too few rows.
    """
    require, forbid = tuple(require), tuple(forbid)
    structure = _analyzed(registry, STRUCTURE, data, graph, findings)
    known = _with_knowledge(_graph(structure), require, forbid)
    denied = tuple(
        pair
        for pair in map(tuple, (one["columns"] for one in structure.result["contradictions"]))
        if any((e.cause, e.effect) == pair and e.provenance in ASSUMED for e in known.edges)
    )
    signed = replace(known, edges=tuple(e for e in known.edges if (e.cause, e.effect) not in denied))
    if signed != structure.graph:
        structure = _analyzed(registry, STRUCTURE, data, signed, findings)
    found = structure.result
    disparities = tuple(_disparities(registry, data, signed))
    counterfactual = _analyzed(registry, COUNTERFACTUAL, data, signed, findings, model).result
    return CausalAssessment(
        signed,
        "assumed" if graph is None else "expert",
        tuple(found["columns"]),
        denied,
        tuple(one["text"] for one in found["contradictions"]),
        disparities,
        counterfactual,
        tuple(_recommended(found["intervention_points"], disparities, counterfactual)),
        structure.repair,
    )


def _analyzed(
    registry: Registry,
    slug: str,
    data: Dataset,
    graph: CausalGraph | None,
    findings: Sequence[Finding] = (),
    model: FairModel | None = None,
    **parameters: Any,
) -> CausalResult:
    technique: Any = registry.technique(slug)().with_parameters(**parameters)
    found: CausalResult = technique.analyze(data, graph, model, findings)
    return found


def _graph(structure: CausalResult) -> CausalGraph:
    if structure.graph is None:
        raise UsageError(f"{STRUCTURE} made no graph")
    return structure.graph


def _with_knowledge(
    graph: CausalGraph, require: Sequence[tuple[str, str]], forbid: Sequence[tuple[str, str]]
) -> CausalGraph:
    """Return a graph with the required effects and without the forbidden ones."""
    if both := set(require) & set(forbid):
        raise UsageError(
            f"effects both required and forbidden: {', '.join('->'.join(p) for p in sorted(both))}"
        )
    graph.check_known(name for pair in (*require, *forbid) for name in pair)
    dropped = {*require, *forbid, *((effect, cause) for cause, effect in require)}
    kept = [edge for edge in graph.edges if (edge.cause, edge.effect) not in dropped]
    return replace(graph, edges=(*kept, *(Edge(cause, effect, "expert") for cause, effect in require)))


def _disparities(registry: Registry, data: Dataset, graph: CausalGraph) -> Iterable[Disparity]:
    """Yield each contrast with its parts, what runs through each mediator, and how robust it is."""
    parts = _analyzed(registry, PARTS_OF, data, graph).result["contrasts"]
    robust = _by_contrast(_analyzed(registry, ROBUSTNESS, data, graph).result["contrasts"])
    through = {
        (attribute, name): _by_contrast(
            _analyzed(registry, THROUGH, _of_attribute(data, attribute), graph, mediators=[name]).result[
                "contrasts"
            ]
        )
        for attribute, name in dict.fromkeys(
            (one["attribute"], name) for one in parts for name in one["mediators"]
        )
    }
    for one in parts:
        key, measured = _key(one), one["status"] == "measured"
        hidden = robust.get(key, {})
        own = {name: through[one["attribute"], name].get(key, {}) for name in one["mediators"]}
        yield Disparity(
            one["attribute"],
            one["group"],
            one["reference"],
            one["support"],
            measured,
            {name: one[name] for name in PARTS} if measured else {},
            {name: of["indirect"] for name, of in own.items() if of.get("status") == "measured"},
            bool(one["identified"]),
            *(hidden.get(name) for name in ("robustness_value", "e_value", "e_value_limit")),
        )


def _of_attribute(data: Dataset, attribute: str) -> Dataset:
    """Return the data with one protected attribute; the others are features, which effects can be adjusted for."""
    others = {str(name): data.sensitive[name] for name in data.sensitive.columns if name != attribute}
    return replace(
        data,
        X=data.X.assign(**others),
        sensitive=data.sensitive[[attribute]],
        roles=data.roles.model_copy(update={"protected": (attribute,)}),
    )


def _key(contrast: Mapping[str, Any]) -> tuple[str, str, str]:
    return contrast["attribute"], contrast["group"], contrast["reference"]


def _by_contrast(contrasts: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    return {_key(one): one for one in contrasts}


def _recommended(
    points: Iterable[Mapping[str, Any]], disparities: Sequence[Disparity], counterfactual: Mapping[str, Any]
) -> Iterable[dict[str, Any]]:
    """Yield the stages in which the data support an intervention, each with its reason."""
    supported = [point for point in points if point["supported"]]
    for stage in dict.fromkeys(point["stage"] for point in supported):
        columns = dict.fromkeys(p["column"] for p in supported if p["stage"] == stage and p["column"])
        yield {
            "stage": stage,
            "columns": list(columns),
            "reason": _reason(stage, disparities, counterfactual),
        }


def _reason(stage: str, disparities: Sequence[Disparity], counterfactual: Mapping[str, Any]) -> str:
    """Return the figure behind an intervention: features carry, the model uses, decisions repeat."""
    if stage == "post-processing":
        return str(counterfactual["text"]).partition(". ")[0] + "."
    part = "indirect" if stage == "pre-processing" else "direct"
    measured = [one for one in disparities if one.measured]
    if not measured:
        return "No group has enough rows to measure the effects."
    most = max(measured, key=lambda one: _clearness(one.parts[part]))
    low, high = most.parts[part]["interval"]
    said = "" if low > 0 or high < 0 else "; the interval includes 0"
    return (
        f"The {part} part of {most.group} against {most.reference} is {_figure(most.parts[part])} of "
        f"{most.parts['total']['estimate']:+.3f}{said}."
    )


def _clearness(effect: Estimated) -> float:
    return abs(effect["estimate"]) / effect["se"] if effect["se"] else 0.0


def _figure(effect: Estimated) -> str:
    low, high = effect["interval"]
    return f"{effect['estimate']:+.3f} [{low:+.3f}, {high:+.3f}]"
