"""Live progress on stderr: one line per completed event, and a timer for the current one."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from fairmend.cli.output import styled
from fairmend.core.text.escaping import visible
from fairmend.core.text.words import plural

STYLES = {"passed": "green", "failed": "red", "insufficient evidence": "yellow", "waiting": "yellow"}


class Progress:
    """Print the events of an audit or a run as they occur.

    On a terminal the current activity is shown below them with a timer; otherwise plain lines are printed.

    Parameters
    ----------
    console : Console
        Console to print to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = time.perf_counter()
        self.bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bars.add_task("starting")

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def tell(self, event: dict[str, Any]) -> None:
        """Show an event."""
        show = getattr(self, f"_{event['event'].replace('-', '_')}", None)
        if show is not None:
            show(event)

    def _line(self, *parts: str | tuple[str, str]) -> None:
        elapsed = time.perf_counter() - self.began
        self.console.print(styled((f"{elapsed:6.1f} s", "dim"), "  ", *parts), soft_wrap=True)

    def _now(self, text: str) -> None:
        self.bars.update(self.task, description=visible(text))

    def _audit(self, event: dict[str, Any]) -> None:
        self._now(event["text"])
        self._line(f"audit: {event['text']}")

    def _baseline(self, event: dict[str, Any]) -> None:
        self._line(f"baseline: model fitted. {event['text']}")

    def _sweep(self, event: dict[str, Any]) -> None:
        self._line(
            f"sweep: {plural(event['candidates'], 'candidate')}, {event['kept']} of them already computed, "
            f"{plural(event['excluded'], 'technique')} excluded. {event['text']}"
        )
        self._now("first candidates")

    def _trial(self, event: dict[str, Any]) -> None:
        told = event["reason"]
        if event["status"] == "measured":
            fairness = "not defined" if event["fairness"] is None else f"{event['fairness']:.3f}"
            told = f"accuracy {event['accuracy']:.4f}, {event['measure']} {fairness}"
        count = f"{event['done']:>3} of {event['of']}"
        self._line("  ", (count, "dim"), f" {event['name']}: {told}")
        self._now(f"{count} candidates, about {event['left']:.0f} s left")

    def _stage(self, event: dict[str, Any]) -> None:
        again = f" (iteration {event['iteration']})" if event["iteration"] else ""
        self._now(event["stage"])
        self._line((event["stage"], "bold"), again)

    def _step_start(self, event: dict[str, Any]) -> None:
        rest = f" (about {event['rest']:.0f} s of steps remaining)" if event["rest"] >= 1 else ""
        self._now(f"{event['stage']}: {event['slug']}{rest}")

    def _step(self, event: dict[str, Any]) -> None:
        seconds = f" ({event['seconds']:.1f} s)" if event["status"] == "ran" else ""
        self._line(f"  step {event['slug']}: {event['status']}; {event['text']}", (seconds, "dim"))
        self._now(f"{event['stage']}: gate")

    def _gate(self, event: dict[str, Any]) -> None:
        self._line(
            f"  {event['gate']} ",
            (event["verdict"], STYLES[event["verdict"]]),
            f": {event['title']}; accuracy {event['accuracy']:.4f}, {event['measure']} {event['fairness']:.3f}",
        )
        for check in event["checks"]:
            if check["verdict"] != "passed" and check["level"] == "require":
                figure = "" if check["value"] is None else f" {check['value']:.3f} ({check['bound']})"
                reason = f": {check['reason']}" if check["reason"] else ""
                self._line(
                    f"    {check['id']} ", (check["verdict"], STYLES[check["verdict"]]), figure + reason
                )

    def _decision(self, event: dict[str, Any]) -> None:
        self._line(f"  {event['id']}: to {event['to']}; {event['reason']}")

    _rollback = _decision
    _lookahead = _decision
    _undo = _decision
    _escalation = _decision

    def _choice(self, event: dict[str, Any]) -> None:
        self._line(f"choice: {event['reason']}")
        self._now("final metrics on the test data")

    def _fold(self, event: dict[str, Any]) -> None:
        self._now(f"cross-validation: {event['place']} of {event['of']} folds")
        words = {True: "target met", False: "target missed", None: "insufficient evidence"}
        how = f"failed: {event['reason']}" if event["failed"] else words[event["held"]]
        self._line(f"cross-validation: fold {event['place']} of {event['of']}: {how}")

    def _tracking(self, event: dict[str, Any]) -> None:
        self._line((event["text"], "yellow"))

    def _done(self, event: dict[str, Any]) -> None:
        self._line((event["status"], "bold"), f": {event['reason']}")
