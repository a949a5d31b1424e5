"""Bootstrap intervals of group metrics: tables of counts against fairlearn's MetricFrame.

Adult (complete rows), sex x race, three metrics, percentile intervals of each group and of each
difference between groups.

    python benchmarks/measure_bootstrap.py [--replicates 1000] [--fairlearn-replicates 5]

Fairlearn needs minutes for 1,000 replicates, so it is run with two smaller numbers of them and its
time is carried forward along the line through both; --fairlearn-replicates 1000 measures it whole.
"""

from __future__ import annotations

import argparse
from functools import partial

import fairlearn
from _measure import adult_decisions, allocated, report_versions, seconds

from fairmend.core.metrics import GroupTable, InferenceSettings, Measurement, metric
from fairmend.core.metrics.inference import bootstrap

METRICS = ("selection_rate", "true_positive_rate", "accuracy")


def ours(y, d, groups, replicates: int):
    """Return intervals of every group and of every difference, from rows."""
    table = GroupTable.from_arrays(y, d, groups)
    measured = Measurement.of(table, settings=InferenceSettings(replicates))
    by_group = {name: measured.by_group(name) for name in METRICS}
    return by_group, {name: measured.figure(f"{name}_difference") for name in METRICS}


def percentiles(y, d, groups, replicates: int):
    """Return the same as fairlearn: plain percentiles of every group and of every difference."""
    drawn = bootstrap.replicates(
        GroupTable.from_arrays(y, d, groups), replicates, bootstrap.generators(0, 1)[0]
    )
    by_group, ranges = {}, {}
    for name in METRICS:
        values = metric(name).rates[0].of(drawn)
        by_group[name] = [bootstrap.percentile_interval(values[:, g]) for g in range(values.shape[1])]
        ranges[name] = bootstrap.percentile_interval(metric(f"{name}_difference").of(drawn))
    return by_group, ranges


def theirs(y, d, groups, replicates: int):
    """Return the same from fairlearn."""
    import fairlearn.metrics as fl
    from sklearn.metrics import accuracy_score

    frame = fl.MetricFrame(
        metrics={
            "selection_rate": fl.selection_rate,
            "true_positive_rate": fl.true_positive_rate,
            "accuracy": accuracy_score,
        },
        y_true=y,
        y_pred=d,
        sensitive_features=groups,
        n_boot=replicates,
        ci_quantiles=[0.025, 0.975],
        random_state=0,
    )
    return frame.by_group_ci, frame.difference_ci()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--fairlearn-replicates", type=int, default=5)
    options = parser.parse_args()
    y, d, groups = adult_decisions()
    report_versions("fairlearn", "numpy", "pandas")
    print(f"{len(y):,} rows, sex x race, {len(METRICS)} metrics, {options.replicates:,} replicates")
    taken = {}
    for label, of in (("as fairlearn: percentiles", percentiles), ("our figures, with support", ours)):
        run = partial(of, y, d, groups, options.replicates)
        run()
        taken[label] = seconds(run)
        print(f"fairmend, {label:28s} {taken[label] * 1e3:10.1f} ms   peak {allocated(run):7.1f} MB")
    few = min(options.fairlearn_replicates, options.replicates - 1)
    one = seconds(partial(theirs, y, d, groups, 1), repeats=1)
    many = seconds(partial(theirs, y, d, groups, 1 + few), repeats=1)
    whole = one + (many - one) / few * (options.replicates - 1)
    measured = few == options.replicates - 1
    how = (
        "measured whole" if measured else f"SCALED from {few} replicates more, which took {many - one:.1f} s"
    )
    peak = allocated(partial(theirs, y, d, groups, 1))
    print(
        f"fairlearn {fairlearn.__version__} MetricFrame              {whole:10.1f} s    peak {peak:7.1f} MB  ({how})"
    )
    for label, own in taken.items():
        print(f"ratio, {label:30s} {whole / own:10,.0f} x")


if __name__ == "__main__":
    main()
