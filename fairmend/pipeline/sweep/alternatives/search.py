"""The search for a less discriminatory alternative: its candidates, its choice, and the confirmation of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from fairmend.catalog.policy import PolicyCheck
from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.types import Floats
from fairmend.core.utility import Utility
from fairmend.pipeline.sweep.alternatives.candidates import KINDS, LdaSettings, kind_of, lda_candidates
from fairmend.pipeline.sweep.alternatives.choice import SIGNIFICANCE, compared, settled
from fairmend.pipeline.sweep.alternatives.comparison import performance_metrics
from fairmend.pipeline.sweep.alternatives.confirmation import confirm
from fairmend.pipeline.sweep.alternatives.record import Confirmation, KindCount, LdaSearch, Outcome
from fairmend.pipeline.sweep.combinations import Combination
from fairmend.pipeline.sweep.model_variants import ModelSpace
from fairmend.pipeline.sweep.sweep_record import SweepCandidate, Target
from fairmend.pipeline.sweep.trial_cache import TrialCache
from fairmend.pipeline.sweep.trials import Bench


class LdaPlan:
    """A search for a less discriminatory alternative.

    Parameters
    ----------
    data : Dataset
        Rows that are not of the test part.
    learner : str
        Name of the learner.
    settings : LdaSettings
        Budget, and what counts as an alternative.
    utility : Utility
        What decisions are worth.
    """

    def __init__(self, data: Dataset, learner: str, settings: LdaSettings, utility: Utility) -> None:
        self.settings = settings
        self.performance = performance_metrics(utility)
        self.space = ModelSpace(data, learner, settings.monotone)
        self.tried: list[Combination] = []

    def candidates(
        self, techniques: Sequence[Combination], registry: Registry, seed: int
    ) -> list[Combination]:
        """Return what is tried, the plain model first."""
        self.tried = lda_candidates(
            self.space, techniques, registry, count=self.settings.candidates, seed=seed
        )
        return self.tried

    def conclude(
        self,
        placed: Sequence[SweepCandidate],
        drawn: Mapping[str, Floats],
        target: PolicyCheck,
        test: Dataset,
        bench: Callable[[Sequence[Combination]], Bench],
        kept: TrialCache,
        names: Sequence[str],
    ) -> tuple[list[SweepCandidate], str | None, str, LdaSearch]:
        """Choose an alternative and confirm it on the test rows, once.

        Parameters
        ----------
        placed, drawn
            Candidates and their resampled figures; see :func:`.selection.place`.
        target : PolicyCheck
            The figure of disparity.
        test : Dataset
            The test rows.
        bench : callable
            Returns what trials of some candidates share.
        kept : TrialCache
            Where the confirmation is stored.
        names : sequence of str
            Identities of the candidates.

        Returns
        -------
        list of SweepCandidate
            With why each is not the alternative.
        str or None
            Name of the alternative.
        str
            The outcome in words.
        LdaSearch
            The record.
        """
        settings = self.settings
        judged, chosen, reason = settled(placed, drawn, Target.of(target), settings.margin, self.performance)
        confirmation, looks = None, 0
        if chosen is not None:
            at = next(i for i, c in enumerate(judged) if c.name == chosen)
            looks = kept.other_confirmations(names[at])
            confirmation = kept.confirmation(
                names[at],
                settings.margin,
                lambda: confirm(bench([self.tried[at]]), self.tried[at], test, settings.margin),
            )
            word = "Confirmed" if confirmation.confirmed else "Not confirmed"
            reason += f". {word} on {confirmation.rows:,} test rows: {confirmation.reason}"
        search = LdaSearch(
            outcome=_outcome(confirmation),
            budget=settings.candidates,
            searched=self._counts(judged),
            performance=self.performance,
            margin=settings.margin,
            significance=SIGNIFICANCE,
            compared=len(compared(judged)),
            qualified=sum(_qualified(c) for c in judged),
            proxies={name: round(value, 4) for name, value in self.space.proxies.items()},
            monotone=self.space.signs if self.space.takes_monotone else {},
            confirmation=confirmation,
            earlier_looks=looks,
            notes=self._notes(),
        )
        return judged, chosen, reason, search

    def _counts(self, judged: Sequence[SweepCandidate]) -> dict[str, KindCount]:
        kinds = [kind_of(one) for one in self.tried[1:]]
        tried = Counter(kinds)
        failed = Counter(kind for kind, c in zip(kinds, judged[1:], strict=True) if c.status == "failed")
        return {kind: KindCount(tried=tried[kind], failed=failed[kind]) for kind in KINDS if tried[kind]}

    def _notes(self) -> tuple[str, ...]:
        found = len(self.tried) - 1
        short = (
            (f"Only {found} different candidates could be made.",) if found < self.settings.candidates else ()
        )
        return (*self.space.notes, *short)


def _qualified(candidate: SweepCandidate) -> bool:
    found = candidate.alternative
    return bool(candidate.changes and found and found.lost in (None, "another is chosen"))


def _outcome(confirmation: Confirmation | None) -> Outcome:
    if confirmation is None:
        return "none found"
    return "found" if confirmation.confirmed else "not confirmed"
