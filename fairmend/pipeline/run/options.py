"""The frontier of the measured alternatives as options for people who must decide."""

from __future__ import annotations

from collections.abc import Mapping

from fairmend.core.metrics import Estimate
from fairmend.core.models.decision_rule import FairModel
from fairmend.pipeline.gates.utility import difference, value
from fairmend.pipeline.run.ablation import Candidate
from fairmend.pipeline.run.final_evaluation import FinalEvaluator
from fairmend.pipeline.run.frontier import on_the_frontier
from fairmend.pipeline.run.option import Option


def options_of(
    judge: FinalEvaluator, candidates: Mapping[str, Candidate]
) -> tuple[list[Option], dict[str, FairModel]]:
    """Return the points of the frontier as options, and the rule of each, fitted for deployment.

    Parameters
    ----------
    judge : FinalEvaluator
        Measures them on the test data.
    candidates : mapping of str to Candidate
        What was measured.
    """
    machine = judge.machine
    target = machine.policy.target(machine.spec.notion)
    variants = {name: c.variant for name, c in candidates.items() if not machine.barred(c.applied)}
    found, models = [], {}
    for number, name in enumerate(on_the_frontier(variants, target.upward), start=1):
        candidate, variant = candidates[name], variants[name]
        model = machine.tracer.deployed(candidate.applied).fitted()
        on_validation, on_test = machine.judged(candidate.applied), judge.of(model)
        on_validation_data, on_test_data = (
            {
                "utility": value(machine.utility, on).to_json(),
                "accuracy": on.measurement.figure("accuracy").to_json(),
                target.metric: on.measurement.figure(target.metric).to_json(),
            }
            for on in (on_validation, on_test)
        )
        cost = difference(machine.utility, machine.baseline, on_validation)
        sure = (
            ""
            if variant.probability is None
            else f", met in the population with probability {variant.probability:.2f}"
        )
        after = value(machine.utility, on_test)
        text = (
            f"Accept {' + '.join(variant.steps) or 'the plain model'}: {target.metric} {variant.fairness:.3f} at "
            f"{machine.utility.text} {variant.utility:.4f} ({cost.change * 100:+.2f} points), measured on validation{sure}; on test "
            f"{_short(on_test.measurement.figure(target.metric))} at {_short(after, 4)}; "
            f"{'reads' if variant.reads_protected else 'does not read'} the protected attribute"
        )
        option = Option(
            f"option-{number}",
            name,
            variant.steps,
            on_validation_data,
            on_test_data,
            cost.to_json(),
            variant.reads_protected,
            variant.randomized,
            variant.probability,
            variant.passes,
            variant.failing,
            text,
        )
        found.append(option)
        models[option.id] = model
    return found, models


def _short(figure: Estimate, digits: int = 3) -> str:
    return f"{figure.value:.{digits}f}" if figure.value == figure.value else "not defined"
