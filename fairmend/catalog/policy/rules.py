"""What is refused when a policy is read: checks that measure nothing, bounds that cannot be meant, dead ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from fairmend.catalog.findings import fairmend_finding_kinds
from fairmend.catalog.policy.checks import PolicyCheck
from fairmend.catalog.policy.gates import Decision, Route
from fairmend.catalog.policy.metrics import METRICS, GateMetric, metrics_of
from fairmend.catalog.policy.schema import Policy
from fairmend.catalog.registry import Registry
from fairmend.core.errors import UnknownNameError, UsageError, unknown

Where = Literal["gate", "target", "route"]
MOST_TOLD = 5  # faults in one message


def check_policy(policy: Policy, what: str, registry: Registry | None = None) -> None:
    """Check what a policy measures and where its decisions lead.

    Parameters
    ----------
    policy : Policy
        The policy.
    what : str
        What it is, as the message begins.
    registry : Registry, optional
        Where metrics and techniques of plugins come from; by default what is installed.

    Raises
    ------
    UsageError
        Unknown metrics, parameters, findings or techniques, bounds in the wrong direction or outside
        the metric's range, decisions from which no deployment can be reached; all are gathered.
    """
    faults = [*_Reader(registry).faults(policy), *_of_graph(policy)]
    if faults:
        more = f"; and {len(faults) - MOST_TOLD} more" if len(faults) > MOST_TOLD else ""
        raise UsageError(f"{what} is invalid: {'; '.join(faults[:MOST_TOLD])}{more}")


class _Reader:
    """Looks at the checks of a policy; plugins are consulted only for names that are not built in."""

    def __init__(self, registry: Registry | None) -> None:
        self._registry = registry

    @property
    def registry(self) -> Registry:
        if self._registry is None:
            self._registry = Registry.installed()
        return self._registry

    def faults(self, policy: Policy) -> Iterator[str]:
        for notion, target in policy.targets.items():
            place = f"targets.{notion}"
            if target.metric in {"target", "approval"}:
                yield f"{place}: {target.metric!r} is not a metric; expected one of {', '.join(metrics_of(notion))}"
                continue
            yield from self._of_metric(place, target, "target")
            metric = METRICS.get(target.metric)
            if metric is not None and notion not in metric.notions:
                fit = ", ".join(metrics_of(notion)) or "none of fairmend's metrics does"
                yield f"{place}: {target.metric} does not measure {notion} ({fit})"
        for gate in policy.gates:
            for check in gate.checks:
                yield from self._of_check(f"{gate.id}.{check.id}", check, "gate")
        for decision in policy.decisions:
            for route in decision.paths:
                yield from self._of_route(decision, route)
        for technique in (*policy.plan.causal, *policy.plan.evaluation):
            try:
                self.registry.card(technique)
            except UnknownNameError as error:
                yield f"plan: {error}"

    def _of_route(self, decision: Decision, route: Route) -> Iterator[str]:
        built_in = {kind.kind for kind in fairmend_finding_kinds()}
        for name in route.findings:
            if name not in built_in and name not in (kinds := self._kinds()):
                yield f"{decision.id}: {unknown('kind of finding', name, kinds)}"
        for check in (*route.when, *route.any_of):
            place = f"{decision.id}.{check.id}"
            if check.metric == "approval":
                yield f"{place}: approvals belong to gates, not to decisions"
            yield from self._of_check(place, check, "route")

    def _kinds(self) -> list[str]:
        return [kind.kind for _, given in self.registry.collect("fairmend_finding_kinds") for kind in given]

    def _of_check(self, place: str, check: PolicyCheck, where: Where) -> Iterator[str]:
        if check.metric not in {"target", "approval"}:
            yield from self._of_metric(place, check, where)

    def _of_metric(self, place: str, check: PolicyCheck, where: Where) -> Iterator[str]:
        metric = METRICS.get(check.metric)
        if metric is not None:
            yield from _of_parameters(place, check, metric)
            yield from _of_bound(place, check, metric, where)
            return
        contributed = self.registry.named("fairmend_gate_checks")
        if check.metric not in contributed:
            names = [*METRICS, *contributed, "target", "approval"]
            yield f"{place}: {unknown('metric', check.metric, names, 'fairmend policy show playbook')}"
            return
        taken = _parameters_of(contributed[check.metric])
        for name in check.parameters:
            if taken is not None and name not in taken:
                yield f"{place}: {unknown(f'parameter of {check.metric}', name, taken)}"


def _of_parameters(place: str, check: PolicyCheck, metric: GateMetric) -> Iterator[str]:
    for name, value in check.parameters.items():
        if not metric.parameters:
            yield f"{place}: {check.metric} takes no parameters, got {name!r}"
        elif name not in metric.parameters:
            yield f"{place}: {unknown(f'parameter of {check.metric}', name, metric.parameters)}"
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield f"{place}: {name} must be an integer of at least 1, got {value!r}"


def _of_bound(place: str, check: PolicyCheck, metric: GateMetric, where: Where) -> Iterator[str]:
    bound = check.threshold
    if bound is None:
        return
    upward = metric.better == "higher"
    if where != "route" and check.upward != upward:
        right = "at_least or above" if upward else "at_most or below"
        yield (
            f"{place}: {check.metric} is better when it is {metric.better}, so its bound is {right}, "
            f"got {check.bound_text()}"
        )
    elif not metric.lowest <= bound <= metric.highest:
        percent = metric.lowest <= bound / 100 <= metric.highest and metric.highest == 1
        hint = f"; did you mean {bound / 100:g}?" if percent else ""
        yield f"{place}: {check.metric} is {metric.range_text()}, got the bound {bound:g}{hint}"
    elif (check.above is not None and bound == metric.highest) or (
        check.below is not None and bound == metric.lowest
    ):
        yield f"{place}: {check.metric} cannot be {check.bound_text()}; its range is {metric.range_text()}"


def _parameters_of(function: Callable[..., Any]) -> list[str] | None:
    """Return the parameters of a plugin's metric; None where it takes any name."""
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return list(parameters)[1:]


def _of_graph(policy: Policy) -> Iterator[str]:
    """Yield that no decision leads to a deployment; ways behind one without conditions are never taken."""
    reached, ahead = {"causal"}, ["causal"]
    while ahead:
        place = ahead.pop()
        for decision in policy.decisions:
            if decision.after != place:
                continue
            for route in decision.paths:
                if route.to not in reached:
                    reached.add(route.to)
                    ahead.append(route.to)
                if not (route.when or route.any_of or route.findings):
                    break
    if "deploy" not in reached:
        ways = ", ".join(
            f"{d.id} to {' or '.join(dict.fromkeys(r.to for r in d.paths))}" for d in policy.decisions
        )
        yield f"no run can reach deployment: {ways}"
