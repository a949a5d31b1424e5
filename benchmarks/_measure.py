"""What the measurement benchmarks share: data, timing, memory, versions."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd


def adult_decisions() -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Return labels, decisions of a simple rule, and sex and race, of the complete rows of Adult."""
    root = Path(os.environ.get("FAIRMEND_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    parts = [pd.read_csv(root / "adult" / f"adult_{part}.csv.gz") for part in ("train", "test")]
    frame = pd.concat(parts, ignore_index=True).dropna().reset_index(drop=True)
    label = frame["income"].str.rstrip(".").eq(">50K").to_numpy(np.int64)
    margin = frame["education-num"] + frame["hours-per-week"] / 10 + frame["age"] / 20
    decision = (margin > margin.quantile(0.75)).to_numpy(np.int64)
    return label, decision, frame[["sex", "race"]]


def seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Return the median seconds of some runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def allocated(work: Callable[[], object]) -> float:
    """Return the most memory that Python and numpy held at once in one run, in MB."""
    gc.collect()
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


@contextmanager
def watched() -> Iterator[list[float]]:
    """Give the peak resident memory of this process in MB, in a list of one, once the block ends."""
    peak, stop = [resident()], threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def resident() -> float:
    """Return the resident memory of this process in MB."""
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def report_versions(*packages: str) -> None:
    """Print the versions that the figures hold for."""
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"python {platform.python_version()}, {found}, {os.cpu_count()} cores")
