"""Permutation test of the demographic parity difference: hypergeometric draws against shuffled rows.

    python benchmarks/measure_permutation.py [--permutations 10000]

The loop shuffles the decisions with numpy and counts the selected of each group, in the leanest form
we know (int8 decisions, integer groups). Both start from the same arrays; the table of counts is made
once and its making is part of our time in the last column.
"""

from __future__ import annotations

import argparse

import numpy as np
from _measure import adult_decisions, alone, report_versions

from fairmend.core.groups import Groups, encode_groups
from fairmend.core.measure import GroupTable, permutation_test


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
        permutation_test(table, n_permutations=10)
        draws, peak = alone(lambda table=table: permutation_test(table, n_permutations=n), repeats=7)
        whole, _ = alone(
            lambda groups=groups: permutation_test(GroupTable.from_arrays(y, d, groups), n_permutations=n), repeats=7
        )
        loop, loop_peak = alone(lambda codes=codes, k=len(labels): shuffled(d, codes, k, n), repeats=1)
        critical = permutation_test(table, n_permutations=n).critical
        print(
            f"{len(labels):3d} groups: loop {loop:7.2f} s (peak {loop_peak:.1f} MB), draws {draws * 1e3:7.2f} ms "
            f"(peak {peak:.1f} MB), ratio {loop / draws:8,.0f} x; with the counting of rows {loop / whole:8,.0f} x; "
            f"5 % point {critical:.5f} against {np.quantile(shuffled(d, codes, len(labels), 1000), 0.95):.5f}"
        )


if __name__ == "__main__":
    main()
