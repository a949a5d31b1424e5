"""Permutation test of the demographic parity difference: hypergeometric draws against shuffled rows.

    python benchmarks/measure_permutation.py [--permutations 10000]

The loop shuffles the decisions with numpy and counts the selected of each group, in the leanest form
we know (int8 decisions, integer groups). Both start from the same arrays; the table of counts is made
once and its making is part of our time in the last column.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from _measure import adult_decisions, allocated, report_versions, seconds

from fairmend.core.data.groups import Groups, encode_groups
from fairmend.core.metrics import GroupTable, permutation_test


def shuffled(decision: np.ndarray, codes: np.ndarray, n_groups: int, n: int) -> np.ndarray:
    """Return n differences of selection rates with the decisions shuffled."""
    rng = np.random.default_rng(0)
    rows = decision.astype(np.int8)
    size = np.bincount(codes, minlength=n_groups)
    members = [codes == g for g in range(n_groups - 1)]
    total, null = int(rows.sum()), np.empty(n)
    for b in range(n):
        rng.shuffle(rows)
        taken = [int(np.count_nonzero(rows[own])) for own in members]
        rates = np.array([*taken, total - sum(taken)]) / size
        null[b] = rates.max() - rates.min()
    return null


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--permutations", type=int, default=10_000)
    n = parser.parse_args().permutations
    y, d, attributes = adult_decisions()
    report_versions("numpy")
    print(f"{len(y):,} rows, {n:,} permutations")
    for name in ("sex", "race", ["sex", "race"]):
        codes, labels = encode_groups(attributes[name])
        groups = Groups(codes, labels, attributes)
        table = GroupTable.from_arrays(y, d, groups)
        drawing = partial(permutation_test, table, n_permutations=n)
        shuffling = partial(shuffled, d, codes, len(labels))
        critical = drawing().critical
        draws = seconds(drawing)
        counting = seconds(partial(GroupTable.from_arrays, y, d, groups))
        loop = seconds(partial(shuffling, n), repeats=1)
        print(
            f"{len(labels):3d} groups: loop {loop:6.2f} s (peak {allocated(partial(shuffling, 10)):.1f} MB), "
            f"draws {draws * 1e3:6.2f} ms (peak {allocated(drawing):.1f} MB), ratio {loop / draws:6,.0f} x, "
            f"with counting the rows {loop / (draws + counting):6,.0f} x; "
            f"5 % point {np.quantile(shuffling(2000), 0.95):.5f} and {critical:.5f}"
        )


if __name__ == "__main__":
    main()
