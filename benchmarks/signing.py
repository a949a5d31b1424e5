"""Run a pipeline that is kept and verify it, and print what signing and verifying take of it.

    python benchmarks/signing.py [small] [adult]

``small`` is a run of the invented bank with 3,000 rows, ``adult`` the training file of Adult. Counted is
all time within the functions that append to the log (digests, signature, the insertion) and that check a
run before it is read (chain, signatures, rows, files). Loading the library that signs is counted apart.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from _measure import report_versions

from fairmend import api
from fairmend.pipeline.storage import run_store as store_module
from fairmend.pipeline.storage import verification
from fairmend.pipeline.storage.keys import Keyring
from fairmend.pipeline.stored_runs import begin, predict, resume
from fairmend.plugins.datasets import bank

MOST_SHARE = 0.02
ROLES = {
    "small": {"outcome": "approved", "protected": ["race"], "ignored": ["gender"], "key": "application_id"},
    "adult": {"outcome": "income", "favorable": ">50K", "protected": ["sex"], "ignored": ["fnlwgt"]},
}


class Clock:
    """Seconds and calls within functions, by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - began
                self.calls[name] += 1

        return timed

    def take(self) -> tuple[dict[str, float], dict[str, int]]:
        """Return what was counted since the last time."""
        found = dict(self.seconds), dict(self.calls)
        self.seconds.clear()
        self.calls.clear()
        return found


def frame_of(which: str) -> pd.DataFrame:
    if which == "small":
        return bank(3_000)
    root = Path(os.environ.get("FAIRMEND_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    return pd.read_csv(root / "adult" / "adult_train.csv.gz")


def told(what: str, clock: Clock, work: Callable[[], Any]) -> tuple[Any, float]:
    """Do something, print the share of signing and verifying in it, and return what came and the share."""
    clock.take()
    began = time.perf_counter()
    found = work()
    whole = time.perf_counter() - began
    seconds, calls = clock.take()
    share = sum(seconds.values()) / whole
    parts = ", ".join(f"{name} {1000 * seconds[name]:.1f} ms in {calls[name]}" for name in sorted(seconds))
    print(f"  {what}: {whole:.2f} s, of which {parts or 'nothing'}: {share:.2%}", flush=True)
    return found, share


def measured(which: str, clock: Clock, home: Path) -> bool:
    """Run, resume, verify and predict in a new store; return whether signing took more of the run than it may."""
    frame, data = frame_of(which), home / "data.csv"
    frame.to_csv(data, index=False)
    began = time.perf_counter()
    keyring = Keyring(home / "keys")
    keyring.signing()
    print(f"{which}, {len(frame):,} rows; library and first key: {time.perf_counter() - began:.3f} s")
    store, registry = store_module.RunStore(home / "store", keyring), api.registry()
    table = api.dataset(data, **ROLES[which])
    learner = "logistic_regression" if which == "small" else "gradient_boosting"
    spec = api.compose(api.recommend(api.audit(table, learner=learner)), learner=learner)
    record, share = told("run", clock, lambda: begin(spec, table, path=data, store=store, registry=registry))
    told("resume", clock, lambda: resume(record.run_id, store=store, registry=registry))
    verified, _ = told("verify", clock, lambda: verification.verify(store, record.run_id))
    told("predict", clock, lambda: predict(store, record.run_id, frame, registry, even_so=True))
    over = share > MOST_SHARE
    print(
        f"  {len(verified.entries)} entries, {verified.files} files; share of the run {share:.2%}: "
        f"{'over' if over else 'OK for'} {MOST_SHARE:.0%}"
    )
    return over


def main(wanted: list[str]) -> int:
    report_versions("fairmend", "cryptography", "numpy")
    clock, over = Clock(), 0
    store_module.RunStore._append = clock.around("signing", store_module.RunStore._append)
    store_module.check = verification.check = clock.around("verifying", verification.check)
    for which in wanted or ["small"]:
        with tempfile.TemporaryDirectory(prefix="signing-") as made:
            over += measured(which, clock, Path(made))
    return min(over, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
