"""Call a third party's code so that what it does wrong stays with it.

Where processes can be forked (Linux), the call runs in a process of its own: it has a limit of time and
memory, whatever it prints is shown on stderr under its name, and what it changes in memory, or the end of
its process, does not reach the caller. The answer comes back as bytes and is never unpickled. Elsewhere,
and for what cannot be moved to another process, such as an import, the call is guarded in this process:
its output is caught and its exceptions, ``SystemExit`` among them, become a :class:`PluginError`.

A process of its own contains faults. It is no sandbox: a plugin has the rights of the user.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from fairmend.core import errors
from fairmend.core.errors import FairmendError, PluginError, UsageError
from fairmend.core.hooks.markers import PROJECT

SECONDS, MEMORY = "FAIRMEND_PLUGIN_SECONDS", "FAIRMEND_PLUGIN_MEMORY"
LINES_SHOWN, LINE_LENGTH = 20, 200
FORKS = sys.platform == "linux"

_HEAD = struct.Struct("<cQ")  # whether it is an answer or an error, and its length
_inside = False  # whether this process is one that a call runs in


@dataclass(frozen=True)
class Limits:
    """What a call of a third party may use.

    Attributes
    ----------
    seconds : float
        Time on the clock; FAIRMEND_PLUGIN_SECONDS, else 600.
    gigabytes : float
        Memory beyond that of the caller; FAIRMEND_PLUGIN_MEMORY, else 4.
    """

    seconds: float = 600.0
    gigabytes: float = 4.0

    @classmethod
    def from_environment(cls) -> Limits:
        """Return the limits that the environment sets.

        Raises
        ------
        UsageError
            A variable holds no positive number.
        """
        return cls(
            positive(SECONDS, cls.seconds, "of seconds"), positive(MEMORY, cls.gigabytes, "of gigabytes")
        )


def positive(variable: str, default: float, unit: str) -> float:
    """Return the number above 0 that an environment variable holds, or the default.

    Raises
    ------
    UsageError
        It holds something else.
    """
    given = os.environ.get(variable, "")
    try:
        number = float(given) if given else default
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"{variable} must be a number {unit} above 0, got {given!r}")
    return number


def is_ours(kind: type) -> bool:
    """Whether a class is one of fairmend's own: defined under its name in a module of the project."""
    if not kind.__module__.startswith(f"{PROJECT}."):
        return False
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


def contained(call: Callable[[], bytes], *, plugin: str, what: str, limits: Limits | None = None) -> bytes:
    """Return what a call of a third party returns, run in a process of its own.

    Parameters
    ----------
    call : callable
        Gives the answer as bytes; what it refers to need not be copied.
    plugin : str
        Whose code it is, for messages.
    what : str
        What is called, for messages, such as ``"acme:halve"``.
    limits : Limits, optional
        Of time and memory; those of the environment if nothing is given.

    Raises
    ------
    FairmendError
        What the call raises of these, with its message.
    PluginError
        It raises anything else, ends its process, or exceeds a limit.
    """
    if _inside:
        return call()
    if not FORKS:
        with guarded(plugin, what):
            return call()
    limits = limits or Limits.from_environment()
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as printed:
        pid = os.fork()
        if pid == 0:
            _run(call, answer, printed, limits)
        status = _ended(pid, limits.seconds)
        show(printed, plugin)
        answer.seek(0)
        head = answer.read(_HEAD.size)
        if len(head) == _HEAD.size:
            kind, length = _HEAD.unpack(head)
            body = answer.read(length)
            if len(body) == length:
                return body if kind == b"A" else _raised(json.loads(body), plugin, what)
    if status is None:
        end = f"took longer than {limits.seconds:g} s and was stopped; {SECONDS} allows more"
    elif status < 0:
        end = f"ended its process by the signal {signal.Signals(-status).name}; {MEMORY} allows more memory than {limits.gigabytes:g} GB"
    else:
        end = f"exited with code {status} before it finished"
    raise PluginError(f"{what} of the plugin {plugin} {end}")


@contextmanager
def guarded(plugin: str, what: str) -> Iterator[None]:
    """Guard third-party code that runs in this process: catch its output, and name it in errors.

    Raises
    ------
    PluginError
        It raises something that is neither one of fairmend's errors nor an interrupt by the user.
    """
    with captured() as printed:
        try:
            yield
        except (FairmendError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise PluginError(f"{what} of the plugin {plugin} raised {described(error)}") from error
        finally:
            sys.stdout.flush()
            show(printed, plugin)


def described(error: BaseException) -> str:
    """Return type and text of an error on one line of bounded length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}".rstrip(": ")


def show(printed: IO[bytes], plugin: str) -> None:
    """Write what a plugin has printed to stderr, under its name."""
    printed.seek(0)
    text = printed.read(LINES_SHOWN * LINE_LENGTH * 4 + 1).decode("utf-8", "replace")
    lines = ["".join(c if c.isprintable() else "?" for c in line) for line in text.splitlines()]
    for line in lines[:LINES_SHOWN]:
        print(f"{PROJECT}: the plugin {plugin} printed: {line[:LINE_LENGTH]}", file=sys.stderr)
    if len(lines) > LINES_SHOWN:
        print(f"{PROJECT}: the plugin {plugin} printed more, which is not shown", file=sys.stderr)


@contextmanager
def captured() -> Iterator[IO[bytes]]:
    """Give a file that takes what is printed to stdout, also by C code and by child processes."""
    with tempfile.TemporaryFile() as printed:
        python, sys.stdout = sys.stdout, open(printed.fileno(), "w", closefd=False, encoding="utf-8")  # noqa: SIM115
        with suppress(OSError, ValueError):
            python.flush()
        kept = os.dup(1)
        os.dup2(printed.fileno(), 1)
        try:
            yield printed
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            sys.stdout = python
            os.dup2(kept, 1)
            os.close(kept)


def _run(call: Callable[[], bytes], answer: IO[bytes], printed: IO[bytes], limits: Limits) -> None:
    """Run the call in the forked process, and end it; nothing of the caller's is flushed or closed."""
    global _inside
    kind, body = b"E", b"{}"
    try:
        _inside = True
        os.setsid()
        die_with_parent()
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
        sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False, encoding="utf-8", errors="replace")  # noqa: SIM115
        _limit_memory(limits.gigabytes)
        _one_thread()
        kind, body = b"A", call()
        sys.stdout.flush()
    except BaseException as error:
        known = next((k.__name__ for k in type(error).__mro__ if getattr(errors, k.__name__, None) is k), "")
        text = str(error) if known else described(error)
        kind, body = b"E", json.dumps({"known": known, "text": text}).encode()
    finally:
        with suppress(BaseException):
            answer.write(_HEAD.pack(kind, len(body)) + body)
            answer.flush()
        os._exit(0)


def _raised(told: dict[str, str], plugin: str, what: str) -> bytes:
    known: Any = getattr(errors, told.get("known") or "", None)
    if isinstance(known, type) and issubclass(known, FairmendError):
        raise known(told["text"])
    raise PluginError(f"{what} of the plugin {plugin} raised {told.get('text', 'an error')}")


def _ended(pid: int, seconds: float) -> int | None:
    """Wait for a process and return its exit code, negative for a signal; None where it had to be stopped."""
    waited = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(waited, select.POLLIN)
    done = False
    try:
        done = bool(poll.poll(int(min(seconds * 1000, 2**31 - 1))))
    finally:
        os.close(waited)
        for end, target in ((os.killpg, pid), (os.kill, pid)):  # with it, all that it has started
            with suppress(ProcessLookupError, PermissionError):
                end(target, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status) if done else None


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that forked it ends."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _limit_memory(gigabytes: float) -> None:
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    wanted = used + int(gigabytes * 2**30)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _one_thread() -> None:
    """Compute in one thread: the threads of the caller's numeric libraries are not there after a fork."""
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "joblib" in sys.modules:
        sys.modules["joblib"].parallel_config(backend="sequential")
