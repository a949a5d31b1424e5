"""Does a run reach the right verdict? Counts over data sets and drawn problems with known truth.

    python benchmarks/judgement.py                      # 20 small drawn problems
    python benchmarks/judgement.py --drawn 200 --real --seeds 5 --against OLD --write
    python benchmarks/judgement.py --null 100           # nothing to mend: the share of needless changes
    python benchmarks/judgement.py --tuned 200          # do targets hold on fresh data as promised?

A case is run as ``fairmend run`` would with its defaults and assumed approvals, and its outcome is right,
harmful, missed or needless (``_verdicts.py``) beside an independent reference: group thresholds on
out-of-fold scores, and Fairlearn's ThresholdOptimizer. ``--against DIR`` runs the same cases on another
checkout of the project and prints both counts. Results are kept in ``--cache``, a line a case, keyed by
the version of the code, so that an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import _cases
import _tables

HERE = Path(__file__).resolve().parent
CASES = [HERE / f"_{name}.py" for name in ("cases", "evaluate", "problems", "reference")]
PAGE = HERE.parent / "docs" / "judgement.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="drawn problems of all sizes")
    parser.add_argument("--small", type=int, default=0, metavar="N", help="small ones with a fast learner")
    parser.add_argument("--real", action="store_true", help="the data sets")
    parser.add_argument("--stories", action="store_true", help="cases that once went wrong")
    parser.add_argument("--null", type=int, default=0, metavar="N", help="problems of each kind without need")
    parser.add_argument("--tuned", type=int, default=0, metavar="N", help="problems that thresholds can mend")
    parser.add_argument("--seeds", type=int, default=5, help="seeds per data set, attribute and notion")
    parser.add_argument("--only", metavar="PATTERN", help="cases whose identifier matches, as *law/race*")
    parser.add_argument(
        "--boot",
        type=int,
        metavar="B",
        help="bootstrap replicates (default: the run's; an --against version must know n_boot)",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--code", type=Path, default=HERE.parent, metavar="DIR", help="checkout to run")
    parser.add_argument("--against", type=Path, metavar="DIR", help="checkout of another version")
    parser.add_argument("--cache", type=Path, default=Path(".judgement"), metavar="DIR", help="kept results")
    parser.add_argument("--cached", action="store_true", help="run nothing: print what is kept")
    parser.add_argument("--write", action="store_true", help=f"also write {PAGE.name}")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options.boot)
    names = list(chosen(options))
    versions = {"this version": options.code.resolve()}
    if options.against is not None:
        versions["the other version"] = options.against.resolve()
    found = {}
    for version, folder in versions.items():
        kept = Kept(options.cache, folder, options.boot)
        if not options.cached:
            run_all([n for n in names if n not in kept.results], kept, options)
        found[version] = [kept.results[n] for n in names if n in kept.results]
    page = _tables.page(found)
    print(page)
    if options.write:
        PAGE.write_text(page, encoding="utf-8")
    return 0


def chosen(options: argparse.Namespace) -> Iterator[str]:
    """Yield the identifiers of the cases that the options ask for."""
    if not any((options.drawn, options.small, options.real, options.stories, options.null, options.tuned)):
        options.small = 20
    names = [
        *(_cases.STORIES if options.stories else ()),
        *_cases.small(options.small),
        *_cases.drawn(options.drawn),
        *_cases.null(options.null),
        *_cases.tuned(options.tuned),
        *(_cases.real(options.seeds) if options.real else ()),
    ]
    yield from (n for n in names if options.only is None or fnmatch.fnmatch(n, options.only))


class Kept:
    """The results of one version of the code, a JSON line a case."""

    def __init__(self, folder: Path, code: Path, boot: int | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.code = code
        rest = "" if boot is None else f"-boot{boot}"
        self.path = folder / f"{version_of(code)}-{_digest(CASES)}{rest}.jsonl"
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        self.results: dict[str, dict[str, Any]] = {one["case"]: one for one in map(json.loads, lines)}
        self._lock = threading.Lock()

    def add(self, result: dict[str, Any]) -> None:
        with self._lock:
            self.results[result["case"]] = result
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")


def version_of(code: Path) -> str:
    """Return the commit of a checkout, and a digest of the package where it was changed since."""
    git = ["git", "-C", str(code)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    changed = subprocess.run([*git, "diff", "HEAD", "--", "fairmend"], capture_output=True, check=True).stdout
    return commit.stdout.strip() + (f"+{hashlib.sha256(changed).hexdigest()[:8]}" if changed else "")


def _digest(files: list[Path]) -> str:
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:8]


def run_all(names: list[str], kept: Kept, options: argparse.Namespace) -> None:
    """Run cases in processes of their own, and keep and tell each result."""
    waiting: Queue[str] = Queue()
    for name in names:
        waiting.put(name)
    told = _Progress(len(names))

    def serve() -> None:
        worker: subprocess.Popen[str] | None = None
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                break
            worker = worker or _started(kept.code, options.boot)
            result = _asked(worker, name)
            if result is None:  # the process died: out of memory, or a fault in a library
                worker = None
                print(f"{name}: the process ended without a result", file=sys.stderr, flush=True)
                continue
            kept.add(result)
            told.tell(result)
        if worker is not None and worker.stdin is not None:
            worker.stdin.close()
            worker.wait()

    threads = [threading.Thread(target=serve) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _started(code: Path, boot: int | None) -> subprocess.Popen[str]:
    """Start a process that runs cases on a checkout."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker"]
    if boot is not None:
        command += ["--boot", str(boot)]
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _asked(worker: subprocess.Popen[str], name: str) -> dict[str, Any] | None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(name + "\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    return json.loads(line) if line else None


def work(boot: int | None) -> int:
    """Read identifiers of cases and write their results, until the input ends."""
    from _evaluate import evaluate

    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        result = evaluate(_cases.find(line.strip()), boot)
        answers.write(json.dumps(result) + "\n")
        answers.flush()
    return 0


class _Progress:
    def __init__(self, total: int) -> None:
        self.total, self.done, self.began = total, 0, time.monotonic()

    def tell(self, result: dict[str, Any]) -> None:
        from _verdicts import verdict

        self.done += 1
        kind, reason = verdict(result)
        print(
            f"[{self.done}/{self.total}, {time.monotonic() - self.began:.0f} s] {result['case']} ({result['rows']:,} rows, "
            f"{result['seconds']:.0f} s): {result['status']}; {kind}: {reason}",
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
