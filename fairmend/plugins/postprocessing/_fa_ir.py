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
    """Return the table m, the least number of protected candidates in each prefix 1..k, and the level alpha_c.

    m(i) is the least m with F(m; i, p) > alpha_c, F the distribution function of the binomial. With
    ``adjust``, alpha_c is such that a ranking of k drawn with share p fails in some prefix with chance alpha at most.
    """
    alpha_c = adjusted_alpha(k, p, alpha) if adjust else alpha
    return tuple(minimum_protected(k, p, alpha_c).tolist()), alpha_c


def fair_order(q: Floats, protected: NDArray[np.bool_], m: tuple[int, ...]) -> tuple[Ints, bool]:
    """Return candidates best first, as FA*IR orders them, and whether each prefix could have what it requires.

    Where a prefix would have fewer than m(i) protected candidates, the best protected one is next; elsewhere the
    best of all, a protected one among equals.
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
        Places of each query that the guarantee covers; all of a query that has fewer candidates.
    p : float in (0, 1), optional
        Least share of protected candidates; their share among the candidates of the fit if nothing is said.
    alpha : float in (0, 1), default=0.1
        Chance that a ranking drawn with the share p is held to be unfair.
    adjust : bool, default=True
        Correct the level of each prefix for testing k of them. Without it each prefix is tested at ``alpha``, and
        more is demanded of the ranking.
    protected_group : str, optional
        The protected group; of the two the one with the lower mean score if nothing is said.

    Attributes
    ----------
    protected_ : int
        Code of the protected group.
    p_ : float
        The least share.
    diagnostics_ : dict
        ``protected_group``, ``p``, ``alpha_c`` (the corrected level) and ``m`` (the table of the first k places).

    Notes
    -----
    A ranking is fair if each prefix of length i holds at least m(i) protected candidates, the least number that a
    binomial test with share p does not reject. The algorithm merges the two groups by score and puts the best
    protected candidate first wherever a prefix would fall short. Of all rankings that are fair, it selects the
    candidates with the greatest sum of scores, and the order within a group stays that of the scores. Below place k
    the rest follow by score. A query with too few protected candidates gets those it has, and a warning is logged.

    The paper has one protected group, and so has this: for several, merge them in one column, or use DetConstSort
    (technique 101), which takes a share for each.

    Departures: alpha_c is the greatest level with which a fair ranking is rejected with chance ``alpha`` at most,
    where the authors' implementation takes the nearest, also above. The share p is one for all queries.

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
            "A minimum share by group is a quota in the sense of some laws; in the EU, positive action in employment is "
            "allowed within limits, in the US it is mostly not. Have counsel agree to p before deployment."
        ),
        use_when="A short list is read from the top, one group must not be missing in any part of it, and a minimum share has been agreed.",
        avoid_when="More than one group is protected, attention must follow merit, or the scores themselves are used and not only their order.",
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
