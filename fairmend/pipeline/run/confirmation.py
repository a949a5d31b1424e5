"""The test part as a confirmation: what it cannot tell for its size, all rows held out decide.

The test part is a fifth of the data. A rule that holds on out-of-fold decisions of the other four fifths can
miss its bound there by chance, or have too few rows of a group there. Such a figure is decided by all rows
on which a rule decided that had not seen them: the out-of-fold rows and the test part. What the test part
contradicts with its whole interval fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fairmend.catalog.policy import Policy, PolicyCheck
from fairmend.pipeline.gates.gate_context import GateContext
from fairmend.pipeline.gates.gates import CheckResult, evaluate_check
from fairmend.pipeline.gates.value import CheckFunction
from fairmend.pipeline.run.aim import probability_of
from fairmend.pipeline.run.decision_zero import clearly_missed

ALL_HELD_OUT = "all held-out rows"
"""The data of a check that was decided by the out-of-fold rows and the test part together."""


@dataclass(frozen=True)
class Confirmation:
    """How the checks of the last gate are confirmed.

    Attributes
    ----------
    policy : Policy
        By what the run is judged.
    functions : mapping of str to callable
        Gate metrics by name.
    together : GateContext
        The rule on all rows held out.
    """

    policy: Policy
    functions: Mapping[str, CheckFunction]
    together: GateContext

    def of(self, found: CheckResult) -> CheckResult:
        """Return a check on the test part as all rows held out decide it, or as it is where they may not.

        Parameters
        ----------
        found : CheckResult
            A check of the last gate, measured on the test part.
        """
        wanted = self.policy.judgment.confirmation
        check = self._check(found)
        if wanted is None or check is None or not found.decides or found.verdict == "passed":
            return found
        bound = self.policy.target(self.together.notion) if check.metric == "target" else check
        if clearly_missed(bound, found):
            return found
        more = evaluate_check(
            check, self.together, self.policy, self.functions, gate="final", data=ALL_HELD_OUT
        )
        if more.verdict != "passed":
            return found
        told = [_on_the_test_part(found)]
        if check.metric == "target":
            measured, seed = self.together.current.measurement, self.together.current.settings.seed
            probability = probability_of(measured, bound, None, seed, tuned=True)
            if probability is None or probability < wanted.probability:
                return found
            told.append(f"holds in the population with probability {probability:.2f}")
        return replace(more, reason="; ".join([*([more.reason] if more.reason else []), *told]))

    def _check(self, found: CheckResult) -> PolicyCheck | None:
        """Return the check of the policy behind a result; None for one of an evaluation that failed."""
        checks = self.policy.gate("post-processing").checks
        return next((c for c in checks if c.id == found.check and c.metric != "approval"), None)


def _on_the_test_part(found: CheckResult) -> str:
    """Return what the test part alone says."""
    if found.verdict == "insufficient evidence" or found.value is None:
        return f"the test part alone is too small ({found.reason})"
    shown = f"{found.value:.3f}"
    if found.interval is not None:
        shown += f" [{found.interval[0]:.3f}, {found.interval[1]:.3f}]"
    return f"{shown} on the test part alone, where {found.bound} is within the interval"
