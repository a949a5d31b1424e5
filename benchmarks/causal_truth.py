"""Do the intervals of effects cover the truth? Draws of the bank, whose mechanisms are known.

    python benchmarks/causal_truth.py [--draws 200] [--rows 2500] [--jobs 2]

Each draw is decomposed along the true graph: total, direct, indirect and spurious parts of each racial group
against White (technique 60), the adjusted total (54), and natural direct and indirect effects (55). The truth
is that of 1,000,000 people. Printed are the share of intervals that cover it, and whether every column got
its role.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from multiprocessing import Pool

from _measure import report_versions

from fairmend.catalog.registry import Registry
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.plugins.datasets import bank, bank_graph, bank_roles, true_effects

GROUPS = ("Asian", "Black", "Hispanic")
REFERENCE = {"race": "White"}
ROLES = {
    "race": {"protected attribute"}, "gender": {"protected attribute"}, "approved": {"outcome"},
    "age": {"safe predictor"}, "loan_amount": {"safe predictor"}, "debt_to_income": {"safe predictor"},
    "education": {"mediator"}, "income": {"mediator"}, "credit_score": {"mediator"},
    "zip_code": {"proxy", "mediator and proxy"}, "redlining": {"proxy", "mediator and proxy"},
    "employment_history": {"resolving variable"},
}  # fmt: skip


def truth(group: str, rows: int = 1_000_000) -> dict[tuple[str, str], float]:
    """Return the true effects of a group against the reference, by technique and part."""
    to, back = (true_effects("race", a, b, n_rows=rows) for a, b in ((group, "White"), ("White", group)))
    return {
        ("causal-explanation-formula", "total"): -back.total,
        ("causal-explanation-formula", "direct"): -back.direct,
        ("causal-explanation-formula", "indirect"): -back.indirect,
        ("causal-explanation-formula", "spurious"): 0.0,
        ("backdoor-adjustment", "estimate"): to.total,
        ("mediation-analysis", "direct"): to.direct,
        ("mediation-analysis", "indirect"): to.indirect,
    }


def draw(job: tuple[int, int]) -> tuple[dict[tuple[str, str, str], tuple[float, float]], bool]:
    """Return the intervals of one draw, and whether all roles are right."""
    seed, rows = job
    registry, graph = Registry.installed(), CausalGraph.from_mapping(bank_graph())
    data = Dataset.from_frame(bank(rows, random_state=seed), Roles(**bank_roles()))
    found = {}
    for slug in ("causal-explanation-formula", "backdoor-adjustment", "mediation-analysis"):
        technique = registry.technique(slug)(reference=REFERENCE)
        for one in technique.analyze(data, graph).result["contrasts"]:
            if one["group"] in GROUPS:
                for name, figure in one.items():
                    interval = (
                        one["interval"]
                        if name == "estimate"
                        else isinstance(figure, dict) and figure.get("interval")
                    )
                    if interval:
                        found[one["group"], slug, name] = tuple(interval)
    structure = registry.technique("causal-graph-construction")().analyze(data, graph)
    roles = {one["column"]: one["role"] for one in structure.result["columns"]}
    return found, all(roles[name] in allowed for name, allowed in ROLES.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    report_versions("numpy", "scikit-learn")
    began = time.perf_counter()
    known = {(group, *key): value for group in GROUPS for key, value in truth(group).items()}
    covered: dict[tuple[str, str], list[bool]] = defaultdict(list)
    with Pool(options.jobs) as pool:
        drawn = pool.map(draw, [(seed, options.rows) for seed in range(options.draws)])
    for found, _ in drawn:
        for key, value in known.items():
            low, high = found[key]
            covered[key[1:]].append(low <= value <= high)
    print(f"{options.draws} draws of {options.rows:,} rows, {len(GROUPS)} groups against White")
    for (slug, name), hits in covered.items():
        print(
            f"  {slug + ' ' + name:42} {sum(hits) / len(hits):6.1%} of {len(hits)} intervals cover the truth"
        )
    every = [hit for hits in covered.values() for hit in hits]
    print(
        f"  all {sum(every) / len(every):.1%}; roles all right in {sum(right for _, right in drawn)} of {len(drawn)} draws"
    )
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
