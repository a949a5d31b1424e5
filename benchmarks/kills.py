"""Kill kept runs at random moments, resume them, and compare what they end with to an undisturbed run.

    python benchmarks/kills.py [--kills 50] [--rows 6000] [--seed 0]

Each process gets SIGKILL at a moment drawn evenly over the undisturbed run, from the start of Python
to the writing of the end. The clock is the processor time of the process, so that other work on the
machine does not shift the moments. A run that was entered in the store goes on with ``fairmend resume
latest``, which is killed again in every second case; one that was not begins anew. A process that ends
before its moment has finished the run. Compared are the whole JSON records without times and ids, the
log (``fairmend verify``), and the event file, every line of which must be whole.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from _measure import report_versions

from fairmend import api
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.verification import verify
from fairmend.plugins.datasets import bank

BEGIN = "start-up, before the run is kept"
ROLES = {"outcome": "approved", "protected": "race", "ignored": "gender", "key": "application_id"}
LEARNER = "logistic_regression"
UNSTABLE = {"run_id", "seconds", "time"}


class Runs:
    """Processes of the command line that work in one folder."""

    def __init__(self, folder: Path, pipeline: Path, data: Path) -> None:
        self.folder = folder
        self.begin = ["run", str(pipeline), "--data", str(data), "--assume-approved"]
        self.environment = {**os.environ, "FAIRMEND_HOME": str(folder), "OMP_NUM_THREADS": "1"}

    def work(self, command: list[str], moment: float | None = None) -> tuple[int, str, float]:
        """Return exit code, JSON and processor seconds of a command, killed at a moment if one is given."""
        line = [sys.executable, "-c", "from fairmend.cli import main; main()", *command, "--json"]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
            process = psutil.Popen(line, env=self.environment, stdout=out, stderr=told)
            used = 0.0
            while process.poll() is None:
                times = process.cpu_times()
                used = times.user + times.system
                if moment is not None and used >= moment:
                    process.kill()
                time.sleep(0.01)
            out.seek(0)
            told.seek(0)
            if process.returncode in (1, 2):
                raise SystemExit(f"{' '.join(command)} broke: {told.readlines()[-1]}")
            return process.returncode, out.read(), used

    def kept(self) -> int:
        """Return how many runs are entered in the store."""
        return len(RunStore(self.folder).runs()) if (self.folder / "runs.sqlite").exists() else 0

    def events(self) -> list[dict[str, Any]]:
        """Return the events of the latest run; a torn line is an error."""
        path = self.folder / "events" / f"{RunStore(self.folder).run('latest').run_id}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


def place_of(events: list[dict[str, Any]]) -> str:
    """Return which part of a run came after these events."""
    if not events:
        return "baseline"
    last = events[-1]
    if last["event"] == "done":
        return "writing of the end"
    if last["event"] == "simplification" or last["event"] == "escalation":
        return "final figures"
    if last["event"] == "decision" and last["to"] == "deploy":
        return "ablation"
    stages = [e["stage"] for e in events if e["event"] == "stage"]
    return stages[-1] if stages else "baseline"


def stable(value: Any) -> Any:
    """Return a record without times and ids."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in UNSTABLE}
    return [stable(v) for v in value] if isinstance(value, list) else value


def disturbed(runs: Runs, duration: float, rng: np.random.Generator, places: Counter[str], most: int) -> str:
    """Return the JSON of a run that was killed again and again until it ended, and count where."""
    command, kept = runs.begin, runs.kept()
    while True:
        resumed = command is not runs.begin
        before = len(runs.events()) if resumed else 0
        left_alone = places.total() == most or (resumed and rng.random() < 0.5)
        moment = None if left_alone else float(rng.uniform(0, duration))
        code, out, _ = runs.work(command, moment)
        if code >= 0:
            return out
        if runs.kept() == kept:
            places[BEGIN] += 1
            continue
        events = runs.events()[before:]
        places["start-up of resume" if resumed and not events else place_of(events)] += 1
        command = ["resume", "latest"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    places: Counter[str] = Counter()
    report_versions("fairmend", "numpy", "scikit-learn", "skops")
    with tempfile.TemporaryDirectory(prefix="kills-") as made:
        data = Path(made) / "bank.csv"
        bank(given.rows).to_csv(data, index=False)
        found = api.audit(data, learner=LEARNER, **ROLES)
        pipeline = Path(made) / "pipeline.yaml"
        pipeline.write_text(api.compose(api.recommend(found), learner=LEARNER).to_yaml(), encoding="utf-8")
        # A store of its own for each run: a record says how often the test data were looked at in its store.
        warm = Runs(Path(made) / "warm", pipeline, data)
        warm.work(warm.begin)  # fills the caches, as they are for the runs to come
        alone = Runs(Path(made) / "alone", pipeline, data)
        _, text, duration = alone.work(alone.begin)
        expected = json.loads(text)
        print(
            f"{given.rows:,} rows; undisturbed: {duration:.1f} processor seconds, {expected['status']}",
            flush=True,
        )

        finished, mismatches = 0, 0
        began = time.perf_counter()
        while places.total() < given.kills:
            runs = Runs(Path(made) / f"killed-{finished}", pipeline, data)
            record = json.loads(disturbed(runs, duration, rng, places, given.kills))
            finished += 1
            verify(RunStore(runs.folder), record["run_id"])
            if stable(record) != stable(expected) or not runs.events():
                mismatches += 1
                print(f"mismatch: {record['run_id']}", flush=True)
        seconds = time.perf_counter() - began
    for place, n in places.most_common():
        print(f"{n:5d} kills in: {place}")
    print(
        f"{places.total()} kills, {finished} runs brought to their end, {mismatches} mismatches, {seconds:.0f} s; "
        f"{'OK' if not mismatches else 'NOT THE SAME'}"
    )
    return min(mismatches, 1)


if __name__ == "__main__":
    sys.exit(main())
