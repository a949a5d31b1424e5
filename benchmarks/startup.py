"""Start the commands that read a record, a card or the index, and print how long each takes.

    python benchmarks/startup.py [times]

Wall time and CPU time of the whole command, as a user waits for it: medians of several runs (default 7)
after one that fills the caches. The store holds a run that waits for approvals.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measure import report_versions

MOST_SECONDS = {"query": 1.0}
DEFAULT_SECONDS = 0.5
COMMANDS = {
    "--version": ["--version"],
    "technique list": ["technique", "list"],
    "technique show": ["technique", "show", "69"],
    "technique learners": ["technique", "learners"],
    "plugin list": ["plugin", "list"],
    "policy show": ["policy", "show"],
    "keys list": ["keys", "list"],
    "status": ["status"],
    "status RUN": ["status", "latest"],
    "verify": ["verify", "latest"],
    "query": ["query", "approval rates differ between men and women"],
    "approve": ["approve", "latest", "--gate", "gate-4", "--role", "product owner", "--by", "Ada"],
}
MAIN = "from fairmend.cli import main; main()"
STORED = """
from fairmend import api
api.run(data=api.load_dataset("bank", rows=3000), learner="logistic_regression", store=True)
"""


def run(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command and return its wall time and its CPU time, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(times: int = 7) -> int:
    """Print the medians; the exit code is 1 if a command exceeds its limit."""
    report_versions("fairmend", "click", "rich", "pydantic", "cryptography")
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        environment = {
            **os.environ,
            "FAIRMEND_HOME": str(here / "store"),
            "FAIRMEND_CACHE": str(here / "cache"),
            "XDG_CONFIG_HOME": str(here / "config"),
        }
        subprocess.run([sys.executable, "-c", STORED], env=environment, check=True)
        print(f"{'command':<20} {'seconds':>8} {'CPU':>10}")
        for name, arguments in COMMANDS.items():
            run(arguments, environment)
            walls, works = zip(*(run(arguments, environment) for _ in range(times)), strict=True)
            wall, work = statistics.median(walls), statistics.median(works)
            exceeded = work > MOST_SECONDS.get(name, DEFAULT_SECONDS)
            slow += exceeded
            print(f"{name:<20} {wall:8.2f} {work:10.2f}{'  too long' if exceeded else ''}")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
