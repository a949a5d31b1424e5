"""FA*IR: a fair top-k ranking algorithm, Zehlike et al. 2017."""

from __future__ import annotations

import logging
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Ints,
    Postprocessor,
    TechniqueMetadata,
    adjusted_alpha,
    minimum_protected,
    unknown,
)

logger = logging.getLogger(__name__)


@lru_cache(maxsize=256)
def m_table(k: int, p: float, alpha: float, adjust: bool) -> tuple[tuple[int, ...], float]:
    """Return the minimum number m of protected candidates in each prefix 1..k, and the level alpha_c.

    m(i) is the smallest m with F(m; i, p) > alpha_c, where F is the binomial distribution function. With
    ``adjust``, alpha_c is set so that a random ranking of k with share p fails in some prefix with
    probability at most alpha.
    """
    alpha_c = adjusted_alpha(k, p, alpha) if adjust else alpha
    return tuple(minimum_protected(k, p, alpha_c).tolist()), alpha_c


def fair_order(q: Floats, protected: NDArray[np.bool_], m: tuple[int, ...]) -> tuple[Ints, bool]:
    """Return the candidates in FA*IR order, best first, and whether each prefix meets its minimum.

    If a prefix would have fewer than m(i) protected candidates, the best protected one is next; otherwise the
    best of all, with ties in favor of protected candidates.
    """
    best = np.argsort(-q, kind="stable")
    p_1, p_0 = best[protected[best]], best[~protected[best]]
    order = np.empty(len(q), dtype=np.int64)
    t_p = t_n = 0
    met = True
    for i in range(len(q)):
        short = i < len(m) and t_p < m[i]
        met &= not short or t_p < len(p_1)
        if t_p < len(p_1) and (short or t_n == len(p_0) or q[p_1[t_p]] >= q[p_0[t_n]]):
            order[i] = p_1[t_p]
            t_p += 1
        else:
            order[i] = p_0[t_n]
            t_n += 1
    return order, met


class FaIr(Postprocessor):
    """Rank so that no prefix of the first k places has significantly too few protected candidates.

    Parameters
    ----------
    k : int, default=100
        Number of top positions of each query that the guarantee covers; all positions if a query has fewer.
    p : float in (0, 1), optional
        Minimum share of protected candidates; default: their share among the candidates seen in fit.
    alpha : float in (0, 1), default=0.1
        Probability that a random ranking with share p is rejected as unfair.
    adjust : bool, default=True
        Correct the level of each prefix for testing k prefixes. Without the correction each prefix is tested
        at ``alpha``, which is stricter.
    protected_group : str, optional
        The protected group; default: the one of the two groups with the lower mean score.

    Attributes
    ----------
    protected_ : int
        Code of the protected group.
    p_ : float
        The minimum share.
    diagnostics_ : dict
        ``protected_group``, ``p``, ``alpha_c`` (the corrected level) and ``m`` (the table for the first k
        positions).

    Notes
    -----
    A ranking is fair if each prefix of length i contains at least m(i) protected candidates, the smallest
    number that a binomial test with share p does not reject. The algorithm merges the two groups by score and
    puts the best protected candidate first wherever a prefix would fall short. Among all fair rankings it
    selects the candidates with the greatest sum of scores, and it keeps the order of scores within each
    group. The remaining candidates follow after position k by score. A query with too few protected
    candidates ranks those it has, and a warning is logged.

    Like the paper, this supports one protected group. For several, merge them in one column, or use
    DetConstSort (technique 101), which takes a share per group.

    Departures: alpha_c is the largest level at which a fair ranking is rejected with probability at most
    ``alpha``; the authors' implementation takes the nearest level, which may exceed it. All queries share one
    p.

    References
    ----------
    M. Zehlike, F. Bonchi, C. Castillo, S. Hajian, M. Megahed and R. Baeza-Yates (2017), "FA*IR: A fair top-k
    ranking algorithm", CIKM.

    Examples
    --------
    >>> from fairmend.plugins.postprocessing import FaIr
    >>> scores, group = [9, 8, 7, 6, 5, 4, 3, 2], ["m"] * 6 + ["f"] * 2
    >>> fair = FaIr(k=8, p=0.5, adjust=False).fit(scores, sensitive_features=group)
    >>> fair.diagnostics_["m"]
    [0, 0, 0, 1, 1, 1, 2, 2]
    >>> fair.rank(scores, sensitive_features=group).tolist()
    [1, 2, 3, 5, 6, 8, 4, 7]
    """

    metadata = TechniqueMetadata(
        technique_id=102,
        slug="fa-ir",
        name="FA*IR top-k ranking",
        family="ranking",
        summary="Ranks by score and moves protected candidates up where a prefix of the list would have significantly too few of them.",
        citation="zehlike2017fair",
        addresses=("underrepresentation-at-top", "exposure-gap"),
        targets=("exposure", "demographic_parity"),
        tasks=("ranking",),
        arity=("binary",),
        keeps_rank_order=True,
        minimum_rows=20,
        legal_notes=(
            "A minimum share by group counts as a quota under some laws; in the EU, positive action in "
            "employment is allowed within limits, in the US mostly not. Consult counsel on p before "
            "deployment."
        ),
        use_when="People read a ranked list from the top, one group must be represented in every part of it, and a minimum share is agreed.",
        avoid_when="More than one group is protected, exposure must be proportional to merit, or the scores themselves are used and not only their order.",
        questions=(
            "How do I make sure that women show up on every page of the search results?",
            "Our top ten candidates are all men; how can the list be reordered with the least loss?",
            "Is a ranking with two protected people among the first twelve unfair or just bad luck?",
            "Which re-ranking guarantees a minimum share in each prefix with a statistical test?",
            "How many minority applicants must be among the first twenty if they are thirty percent of the pool?",
            "Can a shortlist be made fair without changing the order inside each group?",
        ),
        adjustments=(Adjustment(parameter="alpha", stronger=0.05, minimum=0.01, maximum=0.5),),
        alternatives=(101, 103),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "k": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, 1, closed="neither"), None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "adjust": ["boolean"],
        "protected_group": [str, None],
    }

    def __init__(
        self,
        k: int = 100,
        p: float | None = None,
        alpha: float = 0.1,
        adjust: bool = True,
        protected_group: str | None = None,
    ) -> None:
        self.k = k
        self.p = p
        self.alpha = alpha
        self.adjust = adjust
        self.protected_group = protected_group

    def _fit(self, scores: Floats, groups: Groups, sample_weight: Floats) -> None:
        if self.protected_group is None:
            means = [
                np.average(scores[of_a], weights=sample_weight[of_a])
                for a in range(groups.n_groups)
                for of_a in [groups.codes == a]
            ]
            self.protected_ = int(np.argmin(means))
        elif self.protected_group in groups.labels:
            self.protected_ = groups.labels.index(self.protected_group)
        else:
            raise unknown("group", self.protected_group, groups.labels)
        share = float(np.average(groups.codes == self.protected_, weights=sample_weight))
        self.p_ = share if self.p is None else self.p
        m, alpha_c = m_table(self.k, self.p_, self.alpha, self.adjust)
        name = groups.labels[self.protected_]
        self.diagnostics_ = {"protected_group": name, "p": self.p_, "alpha_c": alpha_c, "m": list(m)}

    def _rank(self, scores: Floats, groups: Groups, query: Any = None) -> Ints:
        protected = groups.codes == self.protected_
        of = (
            np.zeros(len(scores), dtype=np.int64)
            if query is None
            else np.unique(query, return_inverse=True)[1]
        )
        place, short = np.empty(len(scores), dtype=np.int64), 0
        for rows in np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))[:-1]):
            m, _ = m_table(min(self.k, len(rows)), self.p_, self.alpha, self.adjust)
            order, met = fair_order(scores[rows], protected[rows], m)
            place[rows[order]] = np.arange(1, len(rows) + 1)
            short += not met
        if short:
            logger.warning("%d queries have fewer protected candidates than FA*IR requires at the top", short)
        return place
