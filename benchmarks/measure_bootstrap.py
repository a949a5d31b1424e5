"""Bootstrap intervals of group metrics: tables of counts against fairlearn's MetricFrame.

Adult (complete rows), sex x race, three metrics, percentile intervals of each group and of each
difference between groups.

    python benchmarks/measure_bootstrap.py [--replicates 1000] [--fairlearn-replicates 5]

Fairlearn needs minutes for 1,000 replicates, so it is run with two smaller numbers of them and its
time is carried forward along the line through both; --fairlearn-replicates 1000 measures it whole.
"""

from __future__ import annotations

import argparse
import time

import fairlearn
import numpy as np
from _measure import adult_decisions, alone, report_versions

METRICS = ("selection_rate", "true_positive_rate", "accuracy")


def ours(y, d, groups, replicates: int):
    """Return intervals of every group and difference, from rows."""
    from fairmend.core.measure import GroupTable, Measurement

    measured = Measurement.of(GroupTable.from_arrays(y, d, groups), n_boot=replicates)
    by_group = {name: measured.by_group(name) for name in METRICS}
    return by_group, {name: measured.figure(f"{name}_difference") for name in METRICS}


def ours_percentiles(y, d, groups, replicates: int):
    """Return percentile intervals of every group, as fairlearn's, from rows."""
    from fairmend.core.measure import GroupTable, metric
    from fairmend.core.measure.bootstrap import generators, replicates as draw

    drawn = draw(GroupTable.from_arrays(y, d, groups), replicates, generators(0, 1)[0])
    rates = {name: metric(name).rates[0].of(drawn) for name in METRICS}
    by_group = {name: np.nanquantile(values, [0.025, 0.975], axis=0) for name, values in rates.items()}
    ranges = {name: np.nanmax(v, axis=1) - np.nanmin(v, axis=1) for name, v in rates.items()}
    return by_group, {name: np.quantile(values, [0.025, 0.975]) for name, values in ranges.items()}


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
    timings = {}
    for label, of in (("intervals of groups and differences", ours), ("plain percentiles only", ours_percentiles)):
        of(y, d, groups, 10)
        seconds, peak = alone(lambda of=of: of(y, d, groups, options.replicates), repeats=7)
        timings[label] = seconds
        print(f"fairmend, {label:38s} {seconds * 1e3:10.1f} ms   peak {peak:7.1f} MB")
    few = options.fairlearn_replicates
    if few >= options.replicates:
        seconds, peak = alone(lambda: theirs(y, d, groups, options.replicates), repeats=1)
        how = "measured whole"
    else:
        start = time.perf_counter()
        theirs(y, d, groups, 1)
        one = time.perf_counter() - start
        many, peak = alone(lambda: theirs(y, d, groups, 1 + few), repeats=1)
        seconds = one + (many - one) / few * (options.replicates - 1)
        how = f"scaled: {few} replicates more took {many - one:.1f} s"
    print(f"fairlearn {fairlearn.__version__} MetricFrame ({how}) {seconds:10.1f} s    peak {peak:7.1f} MB")
    for label, own in timings.items():
        print(f"ratio, {label:40s} {seconds / own:12,.0f} x")


if __name__ == "__main__":
    main()
