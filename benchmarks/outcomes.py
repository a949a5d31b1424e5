"""What a whole run reaches: fairness gained and accuracy paid on test data, over several seeds.

    python benchmarks/outcomes.py [--seeds 5] [--only adult-sex-parity ...]

Each case is audited and composed once; the pipeline then runs with every seed, which draws another
split, another model and another test part. Printed are the figures of each seed on its test part, the
medians with the least and the greatest, and where the runs ended. ``dominated`` counts the seeds in
which some setting of post-processing alone, of the same baseline model, is both fairer and more
accurate in at least 95 % of the resamples of the test rows: off the frontier beyond noise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _measure import report_versions

import fairmend
from fairmend import api
from fairmend.catalog.policy import Policy, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import FairmendError
from fairmend.core.metrics import InferenceSettings
from fairmend.core.metrics.inference.joint_bootstrap import joint_replicates
from fairmend.pipeline.cross_fitting import divide
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepCache

RATIO, GAP = "demographic_parity_ratio", "equal_opportunity_difference"
# Post-processing alone, from mild to strict: id and parameters.
ALONE: dict[str, list[tuple[int, dict[str, Any]]]] = {
    RATIO: [(9, {"min_ratio": r}) for r in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)],
    GAP: [(13, {"tolerance": t}) for t in (0.0, 0.02, 0.04, 0.06, 0.08)]
    + [(14, {"tolerance": t, "parity": "equal_opportunity"}) for t in (0.0, 0.02, 0.04)],
}


def root() -> Path:
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("FAIRMEND_DATA", default))


def adult(*protected: str) -> Dataset:
    parts = [pd.read_csv(root() / "adult" / f"adult_{part}.csv.gz") for part in ("train", "test")]
    frame = pd.concat(parts, ignore_index=True).dropna().reset_index(drop=True)
    frame["income"] = frame["income"].str.rstrip(".")
    return api.dataset(frame, outcome="income", favorable=">50K", protected=protected, ignored=("fnlwgt",))


def compas() -> Dataset:
    frame = pd.read_csv(root() / "compas" / "compas_two_years.csv.gz")
    frame = frame[frame["days_b_screening_arrest"].between(-30, 30)].reset_index(drop=True)
    counts = ["juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count"]
    used = ["sex", "age", "race", *counts, "c_charge_degree", "two_year_recid"]
    return api.dataset(frame[used], outcome="two_year_recid", favorable="0", protected=("race",))


def german(cut: float) -> Dataset:
    frame = pd.read_csv(root() / "german" / "german.csv")
    return api.dataset(frame, outcome="credit", favorable="1", protected=("age",), cuts={"age": (cut,)})


def policy(notion: str, bound: dict[str, float]) -> Policy:
    """Return the playbook with another target."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(
            f"{{policy: own-target, title: Another target, extends: playbook, targets: {{{notion}: {bound}}}}}"
        )
        return load_policy(path)


@dataclass(frozen=True)
class Goal:
    """A case: data, what to aim at, and by which policy."""

    data: Callable[[], Dataset]
    notion: Any = "demographic_parity"
    bound: dict[str, float] | None = None

    @property
    def policy(self) -> Policy:
        return load_policy("playbook") if self.bound is None else policy(self.notion, self.bound)


CASES = {
    "adult-sex-four-fifths": Goal(lambda: adult("sex")),
    "adult-sex-near-parity": Goal(lambda: adult("sex"), bound={"at_least": 0.94}),
    "adult-sex-opportunity": Goal(lambda: adult("sex"), "equal_opportunity", {"below": 0.05}),
    "adult-sex-race-four-fifths": Goal(lambda: adult("sex", "race")),
    "compas-race-four-fifths": Goal(compas),
    "compas-race-opportunity": Goal(compas, "equal_opportunity"),
    "german-age-25-four-fifths": Goal(lambda: german(25)),
}


def dominated(
    record: RunRecord, data: Dataset, measure: str, upward: bool, settings: InferenceSettings
) -> bool:
    """Whether some post-processing alone is at once fairer and more accurate in 95 % of resamples of the test rows."""
    seed = record.spec.seed
    division = divide(data, record.spec.split, seed=seed)
    start = division.cases(learner=record.case.learner, seed=seed)
    tracer = StepCache(Registry.installed(), division, [case.retrained() for case in start])
    test = division.test
    decided = [ModelEvaluation(record.model, test, settings).decisions]
    for technique_id, parameters in ALONE[measure]:
        try:
            choice = Choice(technique=technique_id, slug=str(technique_id), parameters=parameters)
            alone = tracer.deployed(tracer.replay([choice]))
        except FairmendError:
            continue
        decided.append(ModelEvaluation(alone.fitted(), test, settings).decisions)
    drawn = joint_replicates(
        test.y,
        np.column_stack(decided),
        test.sensitive,
        ("accuracy", measure),
        n_boot=2000,
        rng=np.random.default_rng(seed),
    )
    accuracy, fairness = drawn[..., 0], drawn[..., 1] * (1 if upward else -1)
    better = (accuracy[:, 1:] > accuracy[:, :1]) & (fairness[:, 1:] > fairness[:, :1])
    return bool((better.mean(axis=0) >= 0.95).any())


def run_case(name: str, goal: Goal, seeds: int) -> None:
    data = goal.data()
    judged_by = goal.policy
    target = judged_by.target(goal.notion)
    spec = api.compose(api.recommend(api.audit(data), notion=goal.notion), policy=judged_by)
    print(
        f"\n{name}: {len(data):,} rows, target {target.metric} {target.bound_text()}; "
        f"steps {', '.join(s.slug for s in spec.steps)}"
    )
    rows = list(_rows(spec, data, judged_by, target, seeds))
    for key, text in (
        ("before", f"{target.metric} before"),
        ("after", f"{target.metric} after"),
        ("loss", "accuracy lost, points"),
        ("p", "p of the change"),
        ("seconds", "seconds"),
    ):
        values = [row[key] for row in rows if row[key] is not None]
        if values:
            middle = statistics.median(values)
            print(f"  median {text:44s} {middle:8.4f}   [{min(values):.4f}, {max(values):.4f}]")
    ends = [row["status"] for row in rows]
    print(
        f"  ended: {', '.join(f'{ends.count(s)} {s}' for s in dict.fromkeys(ends))}; "
        f"dominated by post-processing alone: {sum(row['dominated'] for row in rows)} of {len(rows)}"
    )


def _rows(spec: Any, data: Dataset, judged_by: Policy, target: Any, seeds: int) -> Iterator[dict[str, Any]]:
    for seed in range(seeds):
        began = time.perf_counter()
        seeded = spec.model_copy(update={"seed": seed})
        record = fairmend.run(seeded, data, policy=judged_by, assume_approved=True)
        took = time.perf_counter() - began
        before, after = (m.figure(target.metric) for m in (record.baseline, record.final))
        accuracy = record.tests["accuracy"]
        p_value = record.tests[target.metric].p_value
        p_value = None if np.isnan(p_value) else p_value
        settings = InferenceSettings(
            200, min_support=judged_by.minimum_support, seed=seed, n_permutations=2000
        )
        row = {
            "before": before.value,
            "after": after.value,
            "loss": -100 * accuracy.change,
            "p": p_value,
            "seconds": took,
            "status": record.status,
            "dominated": dominated(record, data, target.metric, target.upward, settings),
        }
        support = "" if after.enough else " (too few rows)"
        print(
            f"  seed {seed}: {before.value:.3f} -> {after.value:.3f} {_interval(after.interval)}{support}, accuracy "
            f"{record.baseline.figure('accuracy').value:.4f} -> {record.final.figure('accuracy').value:.4f} "
            f"(lost {row['loss']:.2f} points {_interval(_lost(accuracy.interval))}), p {_p(p_value)}; {record.status}, "
            f"{_steps(record)}; {took:.0f} s",
            flush=True,
        )
        yield row


def _lost(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (-100 * interval[1], -100 * interval[0])


def _interval(interval: tuple[float, float] | None) -> str:
    return "[no interval]" if interval is None else f"[{interval[0]:.3f}, {interval[1]:.3f}]"


def _p(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _steps(record: RunRecord) -> str:
    slugs = [p.metadata.slug for p in record.model.parts]
    return " + ".join(slugs) or "weights or the plain model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    report_versions("scikit-learn", "numpy", "pandas")
    for name in options.only:
        run_case(name, CASES[name], options.seeds)


if __name__ == "__main__":
    main()
