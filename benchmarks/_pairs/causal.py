"""Causal analyses against causal-learn, statsmodels and DoubleML."""

from __future__ import annotations

import numpy as np
import pandas as pd

from _pairs.pair import Calls, pair
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.plugins import causal as ours


@pair("causal-discovery-pc", "causal-learn", 5_000)
def causal_discovery_pc(rows: int) -> Calls:
    """Ten binary variables, the first of them protected and the last the outcome, each with up to three causes."""
    from causallearn.search.ConstraintBased.PC import pc

    rng = np.random.default_rng(0)
    values = np.zeros((rows, 10), dtype=int)
    for node in range(10):
        causes = rng.choice(node, min(node, rng.integers(4)), replace=False)
        values[:, node] = rng.random(rows) < 0.2 + 0.6 * values[:, causes].sum(axis=1) / max(len(causes), 1)
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(10)])
    roles = Roles(outcome="x9", favorable=1, protected=("x0",))
    data = Dataset.from_frame(frame.astype({"x0": str}), roles)
    technique = ours.CausalDiscoveryPC(0.01, max_conditioning=None, use_roles=False, n_subsamples=0)
    return (
        lambda: technique.analyze(data),
        lambda: pc(values, 0.01, "gsq", stable=True, show_progress=False),
    )


@pair("direct-lingam", "causal-learn", 5_000)
def direct_lingam(rows: int) -> Calls:
    """Eight numbers in a chain with uniform noise, and an outcome and groups that the peer does not see."""
    from causallearn.search.FCMBased.lingam import DirectLiNGAM

    rng = np.random.default_rng(0)
    X = np.cumsum(rng.uniform(-1, 1, (rows, 8)), axis=1)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)])
    frame = frame.assign(group=rng.choice(["a", "b"], rows), y=(X[:, -1] > 0).astype(int))
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",)))
    technique = ours.DirectLiNGAM(n_subsamples=0)
    return lambda: technique.analyze(data), lambda: DirectLiNGAM().fit(X)


@pair("backdoor-adjustment", "statsmodels", 20_000)
def backdoor_adjustment(rows: int) -> Calls:
    """A numeric outcome, adjusted for three covariates by regressions in each group, with standard errors."""
    from statsmodels.api import OLS, Logit, add_constant
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    data, X, treated = _two_groups(rows)
    exog = add_constant(X)

    def peer() -> object:
        selection = Logit(treated, exog).fit(disp=0)
        return TreatmentEffect(OLS(data.y, exog), treated, results_select=selection).ra()

    technique = ours.BackdoorAdjustment(covariates=list(X.columns))
    return lambda: technique.analyze(data), peer


@pair("double-ml-effect", "doubleml", 20_000)
def double_ml_effect(rows: int) -> Calls:
    """A numeric outcome and three covariates, adjusted with shallow boosted trees in five folds."""
    import doubleml
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    data, X, treated = _two_groups(rows)
    shape = {"max_depth": 2, "max_iter": 60, "early_stopping": False}
    learners = HistGradientBoostingRegressor(**shape), HistGradientBoostingClassifier(**shape)
    theirs = doubleml.DoubleMLData(X.assign(y=data.y, d=treated), "y", "d")
    technique = ours.DoubleMLEffect(outcome_learner=learners[0], group_learner=learners[1])
    return lambda: technique.analyze(data), lambda: doubleml.DoubleMLIRM(theirs, *learners).fit()


@pair("mediation-analysis", "statsmodels", 20_000)
def mediation_analysis(rows: int) -> Calls:
    """A numeric outcome, one mediator and two covariates; the peer simulates 100 times for its intervals."""
    from statsmodels.api import OLS
    from statsmodels.stats.mediation import Mediation

    data, X, treated = _two_groups(rows)
    frame = X.assign(group=treated, y=data.y)

    def peer() -> object:
        outcome = OLS.from_formula("y ~ group * x1 + x2 + x3", frame)
        mediator = OLS.from_formula("x1 ~ group + x2 + x3", frame)
        return Mediation(outcome, mediator, "group", "x1").fit(n_rep=100)

    technique = ours.MediationAnalysis(mediators=["x1"], covariates=["x2", "x3"])
    return lambda: technique.analyze(data), peer


@pair("oaxaca-blinder", "statsmodels", 20_000)
def oaxaca_blinder(rows: int) -> Calls:
    """A numeric outcome and three features, with standard errors; the peer draws 100 bootstrap samples for them."""
    from statsmodels.stats.oaxaca import OaxacaBlinder
    from statsmodels.tools import add_constant

    data, X, treated = _two_groups(rows)
    technique = ours.OaxacaBlinder()
    exog = add_constant(X.assign(group=treated))
    return (
        lambda: technique.analyze(data),
        lambda: OaxacaBlinder(data.y, exog, "group").three_fold(std=True, n=100),
    )


def _two_groups(rows: int) -> tuple[Dataset, pd.DataFrame, np.ndarray]:
    """Return a numeric outcome of two groups that differ in three features."""
    rng = np.random.default_rng(0)
    treated = (rng.random(rows) < 0.4).astype(int)
    X = pd.DataFrame(rng.normal(0.5 * treated[:, None], 1, (rows, 3)), columns=["x1", "x2", "x3"])
    y = X.sum(axis=1) - treated + rng.normal(size=rows)
    frame = X.assign(group=np.where(treated == 1, "b", "a"), y=y)
    return Dataset.from_frame(frame, Roles(outcome="y", protected=("group",), task="regression")), X, treated
