"""Recommendation: the findings of an audit rank the techniques; constraints and facts filter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fairmend.catalog.extras import is_missing
from fairmend.catalog.references import cite
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError, unknown
from fairmend.core.findings import Audit, Finding
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.vocabulary import NOTIONS, Notion, Severity
from fairmend.index.answer import Excluded, Ranked, Recommendation
from fairmend.index.encoders import Encoder, encoder_named
from fairmend.index.passages import Catalog, spoken
from fairmend.index.search import addressed_kinds
from fairmend.index.store import vectors

WEIGHT: dict[Severity, float] = {
    "high": 1.0,
    "medium": 0.6,
    "low": 0.3,
    "none": 0.0,
    "insufficient evidence": 0.0,
}
GRAVEST, BREADTH, NOTION = 0.45, 0.25, 0.30  # weights: most severe finding answered, share answered, notion
QUOTED = 2  # kinds of finding of which an answer quotes the most severe


def recommend(
    audit: Audit,
    *,
    registry: Registry,
    constraints: Constraints | None = None,
    notion: Notion = "demographic_parity",
    encoder: Encoder | str | None = None,
) -> Recommendation:
    """Return all usable techniques, ranked by the findings of an audit.

    The score combines the most severe finding that a technique addresses, the share of all findings it
    addresses (weighted by severity), and whether it targets the notion. Ties are ordered by the similarity of
    their texts to those findings, from the stored vectors: no model is loaded once the index is on disk. Too
    few rows, too many groups, several attributes or another task exclude a technique, as constraints do.

    Parameters
    ----------
    audit : Audit
        What was found.
    registry : Registry
        What is installed.
    constraints : Constraints, optional
        Hard limits.
    notion : str
        Fairness notion to target.
    encoder : Encoder or str, optional
        As for :func:`fairmend.index.query`.

    Returns
    -------
    Recommendation
        With every installed technique either ranked or excluded.

    Raises
    ------
    UsageError
        The notion is unknown.
    """
    if notion not in NOTIONS:
        raise UsageError(str(unknown("notion", notion, NOTIONS)))
    catalog = Catalog.of(registry)
    chosen = encoder_named(encoder, registry) if isinstance(encoder, str | None) else encoder
    found = [finding for finding in audit.findings if WEIGHT[finding.severity] > 0]
    found.sort(key=lambda finding: -WEIGHT[finding.severity])
    weight = _weights(catalog, found)
    scores = _scores(catalog, weight, notion)
    nearness = np.round(weight @ vectors(catalog, chosen).affinity, 3)
    given = constraints or Constraints()
    results: list[Ranked] = []
    excluded: list[Excluded] = []
    for i in np.lexsort((-nearness, -np.round(scores, 4))):
        card = catalog.techniques[i]
        reason = reason_against(card, given, audit)
        if reason is None:
            results.append(_ranked(card, float(scores[i]), found, notion))
        else:
            excluded.append(Excluded.of(card, reason))
    return Recommendation(_spoken_query(found, notion), tuple(results), tuple(excluded), audit, given, notion)


def _weights(catalog: Catalog, found: Sequence[Finding]) -> NDArray[np.float64]:
    """Return the weight of each kind: that of its most severe finding."""
    names = [kind.kind for kind in catalog.kinds]
    weight = np.zeros(len(names))
    for finding in found:
        if finding.kind in names:
            row = names.index(finding.kind)
            weight[row] = max(weight[row], WEIGHT[finding.severity])
    return weight


def _scores(catalog: Catalog, weight: NDArray[np.float64], notion: Notion) -> NDArray[np.float64]:
    answered = weight[:, None] * addressed_kinds(catalog)
    gravest = answered.max(axis=0, initial=0)
    breadth = answered.sum(axis=0) / max(float(weight.sum()), 1e-12)
    towards = np.array([notion in card.targets for card in catalog.techniques], dtype=float)
    return GRAVEST * gravest + BREADTH * breadth + NOTION * towards


def reason_against(card: TechniqueMetadata, constraints: Constraints, audit: Audit) -> str | None:
    """Return why a technique cannot be used on the audited data, or None if it can."""
    limits = constraints.model_copy(
        update={
            "rows": constraints.rows or max(audit.rows, 1),
            "groups": constraints.groups or max(len(audit.groups), 2),
            "task": constraints.task or audit.roles.task,
        }
    )
    reason = limits.reason(card)
    if reason is not None:
        return reason
    attributes = len(audit.roles.protected)
    if attributes > 1 and "several attributes" not in card.arity:
        return f"supports exactly one protected attribute, got {attributes}"
    if card.required_parameters:
        return f"needs {' and '.join(card.required_parameters)}, which only a person can give"
    absent = next((extra for extra in card.extras if is_missing(extra)), None)
    if absent is not None:
        return f"needs the extra {absent!r}, which is not installed: pip install 'fairmend[{absent}]'"
    return None


def _ranked(card: TechniqueMetadata, score: float, found: Sequence[Finding], notion: Notion) -> Ranked:
    answered: dict[str, Finding] = {}
    for finding in found:
        if finding.kind in card.addresses:
            answered.setdefault(finding.kind, finding)
    why = [
        f"{card.name} addresses {finding.kind} ({finding.severity}): {finding.text}"
        for finding in list(answered.values())[:QUOTED]
    ]
    if notion in card.targets:
        why.append(f"{card.name} targets {spoken(notion)}.")
    why.append(f"{card.name} is made for this situation: {card.use_when}")
    return Ranked(
        card.technique_id,
        card.slug,
        card.name,
        card.stage,
        round(score, 4),
        tuple(f"{sentence} [{cite(card.citation, short=True)}]" for sentence in why),
        cite(card.citation),
        tuple(answered),
    )


def _spoken_query(found: Sequence[Finding], notion: Notion) -> str:
    kinds = list(dict.fromkeys(f"{finding.kind} ({finding.severity})" for finding in found))
    return f"{', '.join(kinds) or 'no finding'}; towards {spoken(notion)}"
