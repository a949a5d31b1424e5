"""Decisions of people on a run: which of them hold, and what became of the others.

A rejection holds until the person who gave it withdraws it, or until another person's approval says how the
objection was answered. Names are compared without regard to case, white space and invisible characters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fairmend.core.errors import UsageError
from fairmend.core.text.words import skeleton

ASSUMED = "assumed"
State = Literal["holds", "overruled", "withdrawn", "replaced", "not counted"]


@dataclass(frozen=True)
class Approval:
    """A recorded decision of a person.

    Attributes
    ----------
    gate, role : str
        What was decided on, and in which role.
    by : str
        Name of the person, or ``"assumed"`` for demonstrations.
    approved : bool
        The decision.
    note : str
        Why.
    time : str
        When, in ISO format.
    answer : str
        How the objection of an earlier rejection was answered, which overrules it.
    state : str
        What became of it, as :func:`settle` finds: it ``holds``; a rejection was ``overruled`` by another person's
        answer or ``withdrawn`` by whoever gave it; an approval was ``replaced`` by a later decision of its role, or
        ``not counted``, because it left a rejection unanswered or came from a person of another role where the
        policy wants different ones.
    """

    gate: str
    role: str
    by: str
    approved: bool
    note: str = ""
    time: str = ""
    answer: str = ""
    state: State = "holds"

    @property
    def person(self) -> str:
        """The name as it is compared with others."""
        return person_key(self.by)

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the decision as a sentence without its gate."""
        said = f"{'approved' if self.approved else 'rejected'} by {self.by} ({self.role})"
        if self.note:
            said += f": {self.note}"
        return f"{said}; the objection was answered: {self.answer}" if self.answer else said


def person_key(name: str) -> str:
    """Return a name such that two spellings of it are equal.

    Examples
    --------
    >>> person_key(" Ada  LOVELACE") == person_key("ada lovelace")
    True
    """
    return skeleton("".join(c for c in name if c.isspace() or c.isprintable()))


def settle(decisions: Iterable[Approval], *, distinct: bool = False) -> list[Approval]:
    """Return all decisions in their order, each with what became of it.

    Parameters
    ----------
    decisions : iterable of Approval
        In the order in which they were made.
    distinct : bool
        Whether one person may approve in one role only; a rejection always counts.
    """
    settled: list[Approval] = []
    holding: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    roles: dict[str, str] = {}
    for place, decision in enumerate(decisions):
        now = holding[decision.gate, decision.role]
        state: State = "holds"
        if distinct and decision.by != ASSUMED:
            own = roles.setdefault(decision.person, decision.role)
            state = "not counted" if decision.approved and own != decision.role else "holds"
        if state == "holds":
            state = _enter(settled, now, decision)
        if state == "holds":
            now.append(place)
        settled.append(replace(decision, state=state))
    return settled


def _enter(settled: list[Approval], now: list[int], decision: Approval) -> State:
    """Update those of the role that held until now, and return the state of a further decision."""
    for place in list(now):
        former = settled[place]
        if former.approved or (not decision.approved and former.person == decision.person):
            outcome: State = "replaced"
        elif decision.approved and former.person == decision.person:
            outcome = "withdrawn"
        elif decision.approved and decision.answer:
            outcome = "overruled"
        else:
            continue
        settled[place] = replace(former, state=outcome)
        now.remove(place)
    return "not counted" if decision.approved and now else "holds"


def in_force(settled: Iterable[Approval]) -> dict[tuple[str, str], Approval]:
    """Return the decision of each gate and role that holds; the last one where several people rejected."""
    return {(a.gate, a.role): a for a in settled if a.state == "holds"}


def rejections(settled: Iterable[Approval]) -> list[Approval]:
    """Return the rejections that hold."""
    return [a for a in settled if a.state == "holds" and not a.approved]


def check_decision(new: Approval, earlier: Sequence[Approval], *, distinct: bool = False) -> None:
    """Check that a decision can be recorded after those made so far.

    Parameters
    ----------
    new : Approval
        The decision.
    earlier : sequence of Approval
        Those so far, in their order.
    distinct : bool
        As for :func:`settle`.

    Raises
    ------
    UsageError
        It comes from nobody, leaves a rejection unanswered, answers none, or comes from a person who decided in
        another role where the policy wants different ones.
    """
    if not new.person:
        raise UsageError("an approval needs the name of the person who gives it; give --by NAME")
    if new.person == ASSUMED:
        raise UsageError(f"{new.by!r} marks approvals that nobody gave; give the name of a person with --by")
    settled = settle(earlier, distinct=distinct)
    objections = [a for a in rejections(settled) if (a.gate, a.role) == (new.gate, new.role)]
    of_others = [a for a in objections if a.person != new.person]
    if new.answer and not (new.approved and objections):
        raise UsageError(
            f"--answer belongs to an approval that overrules a rejection, and no rejection of {new.gate} by the "
            f"{new.role} holds"
            if new.approved
            else "--answer belongs to an approval that overrules a rejection; say why you reject with --note"
        )
    if new.approved and of_others and not new.answer:
        raise UsageError(
            f"{new.gate} was {of_others[-1]}; an approval by another person needs --answer, which says how the "
            "objection was answered"
        )
    if distinct and new.approved:
        own = next((a.role for a in settled if a.person == new.person), new.role)
        if own != new.role:
            raise UsageError(
                f"the policy wants a different person in each role, and {new.by} has decided as {own}; "
                f"another person must approve as {new.role}"
            )


def remarks(settled: Sequence[Approval]) -> list[str]:
    """Return what a reader must know of the decisions: overruled rejections, and one person in several roles."""
    said = []
    for place, a in enumerate(settled):
        if a.state == "overruled":
            later = (b for b in settled[place:] if (b.gate, b.role) == (a.gate, a.role) and b.approved)
            by = next(b for b in later if b.answer)
            said.append(f"A rejection of {a.gate} was overruled: {a}. {by.by} answered: {by.answer}.")
        elif a.state == "not counted":
            said.append(f"A decision on {a.gate} does not count: {a}.")
    people: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for a in settled:
        if a.state == "holds" and a.approved and a.by != ASSUMED:
            people[a.person][a.role] = a.by
    said += [
        f"One person, {next(iter(roles.values()))}, approved in {len(roles)} roles: {', '.join(roles)}."
        for roles in people.values()
        if len(roles) > 1
    ]
    return said
