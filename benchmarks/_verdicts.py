"""Whether a run reached the right verdict: right, harmful, missed or needless, with the reason.

The classes are those of the judgement benchmark:

* right: nothing was needed and nothing was done; or a deployed rule holds its target and keeps as much
  skill as the reference; or nothing was deployed where the reference cannot do it either;
* harmful: deployed, and not held on fresh data, without skill, or dominated by the reference;
* missed: not deployed although the reference meets the target at a tolerable cost;
* needless: changed what was fine.

Drawn problems are judged by exact figures on a large fresh sample, data sets by the test rows: there a
deployed rule does not hold if the whole interval of the test rows lies beyond the bound, and one that is
beyond it by no more than the interval is counted apart (:func:`short_of_the_bound`). The constants are how
much noise and cost is allowed.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from _reference import BOUNDS, METRICS, met

Class = Literal["right", "harmful", "missed", "needless"]
SLACK = {"demographic_parity": 0.05, "equal_opportunity": 0.025, "equalized_odds": 0.025}
"""How far a true figure may lie from the bound and still count as on it: a quarter of the permitted disparity."""
SKILL_POINTS = 0.02  # of retained skill, by which a rule may stay behind the reference
UTILITY_POINTS = 0.003  # of utility: differences below it are no cost
EVIDENT = 0.8  # chance of a rule of the reference, by the rows outside the test part, to do it knowingly
CLEAR_SKILL = 0.05  # of the way from the best constant rule to a perfect one
TOLERABLE = 0.5  # share of the plain model's skill that a tolerable rule keeps
LEAST_SKILL = 0.2  # share of the plain model's skill without which a rule has none
MEASURABLE = 0.01  # balanced accuracy over 0.5 below which a model has no skill at all
SUPPORT = 30
NOTHING_DONE = ("no intervention needed", "undecided")
DEPLOYED = ("deployable", "passed its policy")


def verdict(result: dict[str, Any]) -> tuple[Class, str]:
    """Return the class of an outcome and its reason."""
    return _Judge(result).verdict()


def short_of_the_bound(result: dict[str, Any]) -> bool:
    """Whether a rule was deployed although its figure on the judged rows is beyond the bound."""
    judge = _Judge(result)
    return judge.status in DEPLOYED and not met(judge.notion, judge.final[judge.metric])


class _Judge:
    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result
        self.notion: str = result["notion"]
        self.metric = METRICS[self.notion]
        self.utility: str = result["utility"]
        self.reference: dict[str, Any] = result["reference"]
        self.place = "fresh" if "fresh" in self.reference["rules"]["plain"] else "test"
        self.plain = self.reference["rules"]["plain"][self.place]
        self.status: str = result["status"]
        self.final = result.get("final", {}).get(self.place)

    def verdict(self) -> tuple[Class, str]:
        if self.status in DEPLOYED:
            return self._of_deployed()
        if self.status == "no intervention needed":
            return self._of_nothing_needed()
        if self.status == "crashed":
            return "missed", f"crashed: {self.result['reason']}"
        if self.need() == "fine" and self.has_skill(self.plain) and self.status != "undecided":
            found = self._figure(self.plain)
            if self.result.get("ran"):
                return "needless", f"{self.status} after changing what was fine ({found})"
            if self.evident("plain"):
                return "missed", f"{self.status} where nothing is to mend ({found})"
            return "right", "too few rows to tell that nothing is to mend"
        if self.status == "undecided" and self.need() != "violated":
            return "right", "nothing built where no violation is beyond noise"
        if done := self.by_reference():
            return "missed", (
                f"{self.status} where the reference's {done[0]} reach {self._both(done[1])} "
                f"(model alone {self._both(self.plain)})"
            )
        return "right", "the reference cannot do it either"

    def _of_deployed(self) -> tuple[Class, str]:
        final = self.final
        if not self.held(final):
            return (
                "harmful",
                f"does not hold: {self._figure(final)} where {BOUNDS[self.notion]:.2f} is demanded",
            )
        if not self.some_skill(final):
            return "harmful", (
                f"without skill: balanced accuracy {final['balanced_accuracy']:.3f}, accuracy {final['accuracy']:.4f}, "
                f"the best constant rule {final['constant_accuracy']:.4f}"
            )
        for name, rule in self.rules().items():
            fairer = self._disparity(rule) <= self._disparity(final)
            if fairer and met(self.notion, rule[self.metric]) and self.behind(final, name, rule):
                return "harmful", (
                    f"dominated by the reference's {name}: {self._both(rule)} against {self._both(final)}"
                )
        if self.result["steps"] and self.need() == "fine":
            return "needless", f"changed what was fine ({self._figure(self.plain)})"
        done = self.by_reference()
        if done and self.behind(final, *done):
            against = f"{self._both(final)} against {self._both(done[1])}"
            if done[0] == "plain" and not self.result["steps"]:
                return "right", f"deployed as it was, {self._both(final)}"
            if done[0] == "plain":
                return "needless", f"costs more than the model as it was, which meets the target: {against}"
            return "missed", f"costs more than the reference's {done[0]}: {against}"
        if met(self.notion, final[self.metric]):
            return "right", f"deployed, {self._both(final)}"
        if self.place == "fresh":
            return "right", f"deployed, {self._both(final)}, just short of the bound on fresh data"
        low, high = self.result["interval"]
        return "right", f"deployed, {self._both(final)}, within noise of the bound: [{low:.3f}, {high:.3f}]"

    def _of_nothing_needed(self) -> tuple[Class, str]:
        final = self.final or self.plain
        if not self.some_skill(final) and not self.some_skill(self.plain):
            return "harmful", "called fine although the model has no skill"
        if self.need() == "violated":
            return "harmful", f"called fine, and it is not: {self._figure(self.plain)}"
        return "right", "nothing needed and nothing done"

    def need(self) -> Literal["fine", "open", "violated"]:
        """Whether the plain model needs mending; of drawn problems by the truth, else beyond noise.

        Close to the bound both verdicts are right.
        """
        known = self.plain if self.place == "fresh" else self.reference["own"]["plain"]
        over = self._disparity(known) - self._allowed()
        if math.isnan(over) or abs(over) <= SLACK[self.notion]:
            return "open"
        chance = self.reference["chance"]["plain"]
        if self.place == "test" and 0.05 < chance < 0.95:
            return "open"
        return "violated" if over > 0 else "fine"

    def rules(self) -> dict[str, dict[str, float]]:
        """Return the figures of the reference's rules, the plain model among them."""
        return {name: places[self.place] for name, places in self.reference["rules"].items()}

    def by_reference(self) -> tuple[str, dict[str, float]] | None:
        """Return the reference's most useful rule that does it knowingly, at a tolerable cost."""
        if not self.has_skill(self.plain):
            return None
        able = {
            name: rule
            for name, rule in self.rules().items()
            if met(self.notion, rule[self.metric])
            and self.evident(name)
            and self.some_skill(rule)
            and rule[self.utility] >= 0.9 * self.plain[self.utility]
            and self._skill(rule) >= TOLERABLE * self._skill(self.plain)
        }
        return max(able.items(), key=lambda item: item[1][self.utility]) if able else None

    def evident(self, name: str) -> bool:
        """Whether the rows outside the test part show that a rule of the reference holds."""
        return self.reference["chance"][name] >= EVIDENT and self.reference["least_cell"] >= SUPPORT

    def held(self, figures: dict[str, float]) -> bool:
        if self.place == "fresh":
            return self._disparity(figures) <= self._allowed() + SLACK[self.notion]
        ends = self.result.get("interval") or ()
        return any(met(self.notion, one) for one in (figures[self.metric], *ends))

    def has_skill(self, figures: dict[str, float]) -> bool:
        """Whether a rule clearly decides better than a constant one."""
        clear = CLEAR_SKILL * (1 - figures[f"constant_{self.utility}"])
        return self.some_skill(figures) and self._skill(figures) >= clear

    def some_skill(self, figures: dict[str, float]) -> bool:
        """Whether a rule is not plainly without skill."""
        over = self.plain["balanced_accuracy"] - 0.5
        return (
            figures["balanced_accuracy"] - 0.5 >= max(MEASURABLE, LEAST_SKILL * over)
            and self._skill(figures) > -UTILITY_POINTS
        )

    def behind(self, figures: dict[str, float], name: str, other: dict[str, float]) -> bool:
        """Whether a rule costs more than one of the reference, beyond the allowed points and the noise."""
        noise = 1.64 * self.reference["noise"][name] if self.place == "test" else 0.0
        gap = other[self.utility] - figures[self.utility]
        return gap > max(UTILITY_POINTS, SKILL_POINTS * self._skill(self.plain), noise)

    def _skill(self, figures: dict[str, float]) -> float:
        return figures[self.utility] - figures[f"constant_{self.utility}"]

    def _disparity(self, figures: dict[str, float]) -> float:
        value = figures[self.metric]
        return 1 - value if self.notion == "demographic_parity" else value

    def _allowed(self) -> float:
        bound = BOUNDS[self.notion]
        return 1 - bound if self.notion == "demographic_parity" else bound

    def _figure(self, figures: dict[str, float]) -> str:
        return f"{self.metric.replace('_', ' ')} {figures[self.metric]:.3f}"

    def _both(self, figures: dict[str, float]) -> str:
        return f"{figures[self.metric]:.3f} at {self.utility.replace('_', ' ')} {figures[self.utility]:.4f}"
