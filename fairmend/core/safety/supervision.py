"""Exit code 0 only after completed work, even if a plugin ends the process.

If third-party plugins are installed, the command runs in a forked process, which reports its exit code
over a pipe together with a random token. Without that report the exit code is 1.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata as distributions

from fairmend.core.hooks.markers import PROJECT
from fairmend.core.safety.containment import FORKS, die_with_parent

FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def has_plugins() -> bool:
    """Whether a package other than fairmend registers a fairmend entry point."""
    return any(
        point.dist is None or point.dist.name != PROJECT
        for point in distributions.entry_points(group=PROJECT)
    )


def supervised(work: Callable[[], int]) -> int:
    """Return the exit code of the work; 1 if its process ended before the work did."""
    if not FORKS or not has_plugins():
        return work()
    word = secrets.token_bytes(16)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        die_with_parent()
        code = work()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(writing, word + bytes([code & 0xFF]))
        os._exit(code & 0xFF)
    os.close(writing)
    report = b""
    for one in FORWARDED:
        signal.signal(one, lambda number, frame: os.kill(pid, number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the worker reports it
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.set_blocking(reading, False)  # a process left behind by the plugin may still hold the other end
    with suppress(BlockingIOError):
        report = os.read(reading, len(word) + 1)
    os.close(reading)
    if len(report) == len(word) + 1 and report[:-1] == word:
        return report[-1]
    if status < 0:
        return 128 - status
    print(
        f"{PROJECT}: error: the command was ended (exit code {status}) before it finished, probably by a plugin that calls "
        "os._exit; fairmend plugin list shows the plugins",
        file=sys.stderr,
    )
    return 1
