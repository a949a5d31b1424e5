"""Run the whole way on Adult from the command line, and print what it takes and where the time goes.

    python benchmarks/whole_run.py [train] [all]

``train`` is the training file with its 32,561 rows, ``all`` the complete rows of both files together
(about 45,000). The command audits, recommends, composes and runs under the policy ``playbook``, with
intervals, tests and ablation, and keeps the run. Wall time depends on what else the machine does, so
processor seconds and the load are printed beside it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from _measure import report_versions

MOST_SECONDS, MOST_MIB = 90, 2048
ROLES = ["--outcome", "income", "--favorable", ">50K", "--protected", "sex", "--ignore", "fnlwgt"]
PARTS = ("baseline", "causal", "pre-processing", "in-processing", "post-processing", "gates", "ablation", "final figures", "cross-validation")  # fmt: skip
FIGURES = ("accuracy", "demographic_parity_ratio", "equalized_odds_difference", "expected_calibration_error")


def adult(which: str) -> pd.DataFrame:
    """Return the training file, or the complete rows of both files."""
    root = Path(os.environ.get("FAIRMEND_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    train, test = (pd.read_csv(root / "adult" / f"adult_{part}.csv.gz") for part in ("train", "test"))
    if which == "train":
        return train
    both = pd.concat([train, test], ignore_index=True).dropna()
    return both.assign(income=both["income"].str.rstrip("."))


def watched(command: list[str], home: Path) -> dict[str, Any]:
    """Run a command and return exit code, JSON, seconds, processor seconds and peak memory of its processes."""
    environment = {**os.environ, "FAIRMEND_HOME": str(home)}
    peak, used = 0, 0.0
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        process = psutil.Popen(command, env=environment, stdout=out, stderr=told)
        while process.poll() is None:
            resident, seconds = _use(process)
            peak, used = max(peak, resident), max(used, seconds)
            time.sleep(0.05)
        wall = time.perf_counter() - began
        out.seek(0)
        told.seek(0)
        if process.returncode not in (0, 3, 4):
            raise SystemExit(f"the run broke: {told.readlines()[-1]}")
        record = json.loads(out.read())
    return {"code": process.returncode, "record": record, "wall": wall, "cpu": used, "mib": peak / 2**20}


def _use(process: psutil.Process) -> tuple[int, float]:
    """Return resident bytes and processor seconds of a process and its children, as they are now."""
    resident, seconds = 0, 0.0
    try:
        for one in (process, *process.children(recursive=True)):
            with one.oneshot():
                times = one.cpu_times()
                resident += one.memory_info().rss
                seconds += times.user + times.system
    except psutil.NoSuchProcess:
        pass  # it ended between two looks
    return resident, seconds


def main(wanted: list[str]) -> int:
    report_versions("fairmend", "numpy", "pandas", "scikit-learn")
    over = 0
    for which in wanted or ["train", "all"]:
        with tempfile.TemporaryDirectory(prefix="whole-run-") as made:
            frame = adult(which)
            data = Path(made) / "adult.csv"
            frame.to_csv(data, index=False)
            line = [sys.executable, "-c", "from fairmend.cli import main; main()", "run", "--data", str(data)]
            load = os.getloadavg()[0]
            found = watched([*line, *ROLES, "--assume-approved", "--json"], Path(made) / "home")
        over += told(which, len(frame), found, load)
    return min(over, 1)


def told(which: str, rows: int, found: dict[str, Any], load: float) -> bool:
    """Print what a run took; return whether a bound was missed."""
    record = found["record"]
    print(
        f"\nadult {which}, {rows:,} rows: {record['status']} (exit code {found['code']}), load before {load:.1f}"
    )
    for name in FIGURES:
        before, after = record["baseline"][name]["value"], record["final"][name]["value"]
        print(f"  {name}: {before:.3f} to {after:.3f}")
    spent = {part: record["seconds"][part] for part in PARTS if record["seconds"].get(part)}
    spent["start-up, audit, composing, storing"] = found["wall"] - record["seconds"]["total"]
    spent["the rest of the run"] = found["wall"] - sum(spent.values())
    for part, seconds in spent.items():
        print(f"  {seconds:6.1f} s  {part}")
    slow, large = found["wall"] > MOST_SECONDS, found["mib"] > MOST_MIB
    print(f"  {found['wall']:6.1f} s  wall; {'over' if slow else 'OK'} for {MOST_SECONDS} s")
    print(f"  {found['cpu']:6.1f} s  processor time; load after {os.getloadavg()[0]:.1f}")
    print(f"  {found['mib']:6.0f} MiB peak; {'over' if large else 'OK'} for {MOST_MIB} MiB")
    return slow or large


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
