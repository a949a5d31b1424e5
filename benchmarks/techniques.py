"""Seconds of each technique against a public implementation of the same method, on the same data.

    python benchmarks/techniques.py [--only SLUG]... [--repeats 3] [--rows N]

Both sides run in one process, on one core (as with OMP_NUM_THREADS=1), in turns, so that a busy moment hits
both; a figure is the median of the repeats after one call to warm up, of one call where a peer takes longer than
ten seconds. Each side gets its data in the form that it wants before the clock starts. That both find the same is what the tests of a
technique check, ``tests/plugins/<stage>/test_<slug>.py``. The exit code is 1 where a technique is slower
than its peer beyond the noise of a busy machine.

To add a row, write a function in the module of the technique's stage in ``benchmarks/_pairs``::

    @pair("massaging", "aif360", 30_000)  # slug, distribution of the peer, rows
    def massaging(rows: int) -> Calls:
        from aif360.somewhere import Peer  # a peer is imported here, so that a row without it is left out

        data, technique, peer = drawn(rows), ours.Massaging(), Peer()
        return lambda: technique.change(data.X, data.y, ...), lambda: peer.fit_transform(...)

It takes the number of rows and returns two callables, ours first, which do the same work on the same data
(``_pairs/data.py`` draws them). Choose the rows so that the peer takes less than about two seconds. A technique with
two peers, or with a peer for two of its settings, has two rows.
"""

from __future__ import annotations

import argparse
import logging
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

from _pairs import PAIRS, Pair
from threadpoolctl import threadpool_limits

PATIENCE = 10.0  # seconds of a peer after which it is timed once
NOISE = 1.5  # two figures that are nearer than this factor are not told apart


def main() -> int:
    logging.getLogger().setLevel(logging.ERROR)  # aif360 warns of every optional package that is absent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="SLUG", help="only these techniques")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, help="instead of the rows of each pair")
    given = parser.parse_args()
    if strangers := set(given.only) - {pair.slug for pair in PAIRS}:
        parser.error(f"no row is about {', '.join(sorted(strangers))}")
    print(f"Python {platform.python_version()}, fairmend {version('fairmend')}, one core")
    print(f"{'technique':34s} {'rows':>7s} {'ours (s)':>9s} {'peer (s)':>9s} {'ratio':>8s}  peer")
    slower = [
        pair.slug
        for pair in PAIRS
        if (not given.only or pair.slug in given.only)
        and timed(pair, given.rows or pair.rows, given.repeats) < 1 / NOISE
    ]
    if slower:
        print(f"slower than the peer: {', '.join(slower)}")
    return bool(slower)


def timed(pair: Pair, rows: int, repeats: int) -> float:
    """Print a row of the table and return how many times the peer's seconds are ours."""
    try:
        ours, theirs = pair.make(rows)
    except ImportError as error:
        print(f"{pair.slug:34s} {rows:7d} left out: {error}")
        return float("inf")
    a, b = medians(ours, theirs, repeats)
    print(
        f"{pair.slug:34s} {rows:7d} {a:9.4f} {b:9.4f} {b / a:7.1f}x  {pair.peer} {version(pair.peer)}",
        flush=True,
    )
    return b / a


def medians(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median seconds of two calls that take turns."""
    taken: tuple[list[float], list[float]] = ([], [])
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = seconds(ours), seconds(theirs)
        if first[1] > PATIENCE:
            return first
        for _ in range(repeats):
            for call, found in zip((ours, theirs), taken, strict=True):
                found.append(seconds(call))
    return statistics.median(taken[0]), statistics.median(taken[1])


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
