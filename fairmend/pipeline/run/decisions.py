"""Decision points: the first transition whose conditions hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fairmend.catalog.policy import Decision, PolicyCheck
from fairmend.core.findings import Finding
from fairmend.pipeline.gates.gates import CheckResult, told


def route(
    decision: Decision, findings: Iterable[Finding], judge: Callable[[PolicyCheck], CheckResult]
) -> tuple[str, str]:
    """Return where a decision leads, and why.

    Parameters
    ----------
    decision : Decision
        Its transitions, in the order in which they are tried.
    findings : iterable of Finding
        What the audit found; those of medium and high severity count.
    judge : callable
        Evaluates a condition.
    """
    severe = {f.kind for f in findings if f.severity in {"medium", "high"}}
    for path in decision.paths:
        holds = [judge(c) for c in path.when]
        any_of = [judge(c) for c in path.any_of]
        any_needed = bool(path.any_of or path.findings)
        if all(j.verdict == "passed" for j in holds) and (
            not any_needed or severe & set(path.findings) or any(j.verdict == "passed" for j in any_of)
        ):
            figures = "; ".join(told(j) for j in (*holds, *any_of))
            return path.to, path.reason + (f" ({figures})" if figures else "")
    return "escalate", "no transition has its conditions met"
