"""Feed every reader files that nobody meant to write: no foreign exception, no hang, no growth.

Each reader works in a process of its own, with 2 GiB of address space beyond what it begins with and
an alarm for every file. What fails is kept in ``--save``.

    python benchmarks/fuzz.py --minutes 10
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fairmend.core.errors import FairmendError  # noqa: E402
from tests.attacks.fuzzing import TARGETS  # noqa: E402

SECONDS_A_FILE = 20
MEMORY = 2 << 30
GROWTH = 256 << 20
EXAMPLES = 100


class TooLong(BaseException):
    """A file took longer than allowed."""


def memory() -> tuple[int, int]:
    """Return the address space and the resident memory of this process, in bytes."""
    size, resident, *_ = Path("/proc/self/statm").read_text().split()
    page = resource.getpagesize()
    return int(size) * page, int(resident) * page


def feed(name: str, seconds: float, seed: int, keep: Path) -> dict[str, object]:
    """Read drawn files for some time; return what came of them."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    target = TARGETS[name]
    file = keep / f"{name}-now{target.suffix}"
    counts: Counter[str] = Counter()
    faults: dict[str, str] = {}

    def ring(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, ring)

    def read(content: bytes) -> None:
        file.write_bytes(content)
        signal.alarm(SECONDS_A_FILE)
        try:
            target.read(file)
            counts["read"] += 1
        except FairmendError:
            counts["refused"] += 1
        except (Exception, TooLong) as error:
            counts["failed"] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if what not in faults:
                kept = keep / f"{name}-{len(faults)}{target.suffix}"
                kept.write_bytes(content)
                faults[what] = f"{kept.name}: {' '.join(str(error).split())[:200]}"
        finally:
            signal.alarm(0)

    def one_round(number: int) -> None:
        plan = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seeded(number)(plan(given(target.content())(read)))()

    one_round(seed)  # whatever is loaded once is loaded now
    size, before = memory()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
    end, rounds = time.monotonic() + seconds, 1
    while time.monotonic() < end:
        one_round(seed + rounds)
        rounds += 1
    grown = memory()[1] - before
    file.unlink(missing_ok=True)
    return {**counts, "grown_mib": grown >> 20, "is_growing": grown > GROWTH, "faults": faults}


def main() -> int:
    """Give every reader its share of the time; the number of readers with faults is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "fairmend-fuzz")
    parser.add_argument("--only", choices=TARGETS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.save.mkdir(parents=True, exist_ok=True)
    if options.child:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(sys.stderr):
            found = feed(options.only, options.minutes * 60, options.seed, options.save)
        print(json.dumps(found))
        return 0
    names = [options.only] if options.only else list(TARGETS)
    share = options.minutes / len(names)
    bad = 0
    print(f"seed {options.seed}; files that fail are kept in {options.save}")
    for name in names:
        command = [
            sys.executable, __file__, "--child", "--only", name, "--minutes", str(share),
            "--seed", str(options.seed), "--save", str(options.save),
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        if done.returncode != 0:
            bad += 1
            last = (done.stderr.strip().splitlines() or [""])[-1]
            print(f"{name}: the process ended with {done.returncode}: {last[:300]}")
            continue
        found = json.loads(done.stdout)
        bad += bool(found["faults"] or found["is_growing"])
        figures = ", ".join(f"{found.get(key, 0):,} {key}" for key in ("read", "refused", "failed"))
        print(f"{name}: {figures}; grew by {found['grown_mib']} MiB", flush=True)
        for what, where in found["faults"].items():
            print(f"  {what} ({where})")
    return bad


if __name__ == "__main__":
    sys.exit(main())
