"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from fairmend import api
from fairmend.core.errors import UsageError
from fairmend.core.utility import UTILITIES
from fairmend.core.vocabulary import LARGEST_SEED, LEARNERS, NOTIONS, TASKS

Command = TypeVar("Command", bound=Callable[..., Any])


def names_of(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Split comma-separated column names; the callback of such options."""
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise click.BadParameter(f"expected comma-separated column names, got {value!r}")
    return names


def examples(*commands: str) -> str:
    """Return the epilog of a help text: commands to copy, each on its own line."""
    return "\n".join(["\b", "Examples:", *(f"  fairmend {command}" for command in commands)])


ROLES = (
    click.option("--outcome", metavar="COLUMN", help="Outcome column."),
    click.option(
        "--favorable",
        metavar="VALUE",
        help="Value of the outcome that people want, or an expression: '>=10', '==a,b', '!=x'. "
        "Of a regression or ranking: high or low.",
    ),
    click.option(
        "--task", type=click.Choice(TASKS), help="What kind of outcome it is; detected if nothing is said."
    ),
    click.option("--query", metavar="COLUMN", help="Column that says which rows are ranked together."),
    click.option("--protected", callback=names_of, metavar="A,B", help="Protected attributes."),
    click.option(
        "--mediators",
        callback=names_of,
        metavar="A,B",
        help="Features on a causal path from the protected attributes to the outcome.",
    ),
    click.option(
        "--resolving",
        callback=names_of,
        metavar="A,B",
        help="Mediators whose influence is accepted as legitimate.",
    ),
    click.option(
        "--proxies",
        callback=names_of,
        metavar="A,B",
        help="Features that are proxies for the protected attributes.",
    ),
    click.option("--ignore", callback=names_of, metavar="A,B", help="Columns to ignore entirely."),
    click.option(
        "--allow-feature",
        callback=names_of,
        metavar="A,B",
        help="Features that predict the outcome almost perfectly but are known before the decision, so are not label leaks.",
    ),
    click.option("--weights", metavar="COLUMN", help="Column of sample weights."),
    click.option("--row-id", "key", metavar="COLUMN", help="Column that identifies each row."),
    click.option(
        "--bins",
        "cuts",
        multiple=True,
        metavar="COLUMN=N,N",
        help="Bin edges (upper bounds) of a numeric protected attribute, e.g. age=25.",
    ),
    click.option(
        "--protected-in-model", is_flag=True, help="Use the protected attributes as model features."
    ),
)
model_option = click.option(
    "--model", metavar="FILE", help="Your own fitted model, saved with skops.io.dump; nothing is unpickled."
)
constraint_option = click.option(
    "--constraint",
    "-c",
    "constraints",
    multiple=True,
    metavar="KEY=VALUE",
    help=f"Hard limit, e.g. retraining=false; repeatable. Keys: {', '.join(api.constraint_keys())}.",
)
notion_option = click.option(
    "--notion",
    type=click.Choice(NOTIONS),
    default="demographic_parity",
    show_default=True,
    help="Fairness notion to target.",
)
policy_option = click.option(
    "--policy",
    default="playbook",
    show_default=True,
    metavar="NAME|FILE",
    help="Policy with gates, decisions and rollbacks: a name or a YAML file.",
)
learner_option = click.option(
    "--learner",
    default="gradient_boosting",
    show_default=True,
    help=f"Learner of the baseline, and of techniques that retrain: {' or '.join(LEARNERS)}.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Random seed.",
)
UTILITY = (
    click.option(
        "--utility",
        type=click.Choice(UTILITIES),
        help="What decisions are worth; default: the expected cost at the baseline's own threshold, which is accuracy "
        "for a threshold of 0.5.",
    ),
    click.option(
        "--cost-fp", type=float, metavar="COST", help="Cost of a false positive, for --utility cost."
    ),
    click.option(
        "--cost-fn", type=float, metavar="COST", help="Cost of a false negative, for --utility cost."
    ),
)


def utility_options(command: Command) -> Command:
    """Add the options that say what decisions are worth."""
    for option in reversed(UTILITY):
        command = option(command)
    return command


operation_option = click.option(
    "--operation",
    "operations",
    multiple=True,
    metavar="ID",
    help="Operation to run on the record once there is a verdict, e.g. model-card; repeatable.",
)
stream_option = click.option(
    "--stream",
    metavar="FILE",
    help="Decisions for operations that watch them: CSV or Parquet, a row each, in the order in which they were made.",
)
graph_option = click.option(
    "--graph",
    metavar="FILE",
    help="An expert's causal graph (.dot, .gv, .graphml, .json, .yaml): it says which features may be repaired, which are "
    "proxies and which are safe.",
)


cv_option = click.option(
    "--cv",
    metavar="RxK",
    help="Cross-validate the whole pipeline at the end, e.g. 5x2: five repetitions of two folds.",
)


def spares_inputs(*outputs: str) -> Callable[[Command], Command]:
    """Add --force, without which a command does not overwrite a file that it reads.

    Parameters
    ----------
    *outputs : str
        Names of the parameters that hold output paths. All others may name input files, also in the
        form ``FILE:COLUMN``.
    """

    def check(ctx: click.Context, param: click.Parameter, force: bool) -> None:
        if force or ctx.resilient_parsing:
            return
        from fairmend import api

        written, read = [], []
        for name, value in ctx.params.items():
            values = [
                v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, str) and v
            ]
            if name in outputs:
                written += values
            else:
                read += [*values, *(head for head, colon, _ in (v.rpartition(":") for v in values) if colon)]
        api.check_spared(written, read)

    return click.option(
        "--force",
        is_flag=True,
        expose_value=False,
        callback=check,
        help="Allow an output to overwrite an input file.",
    )


def role_options(command: Command) -> Command:
    """Add the options that assign roles to columns."""
    for option in reversed(ROLES):
        command = option(command)
    return command


def roles_of(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the roles from a command's options and return those that were set."""
    given = {
        "outcome": options.pop("outcome"),
        "favorable": options.pop("favorable"),
        "task": options.pop("task"),
        "query": options.pop("query"),
        "protected": options.pop("protected"),
        "mediators": options.pop("mediators"),
        "resolving": options.pop("resolving"),
        "proxies": options.pop("proxies"),
        "ignored": options.pop("ignore"),
        "allowed_features": options.pop("allow_feature"),
        "weights": options.pop("weights"),
        "key": options.pop("key"),
        "cuts": cuts_of(options.pop("cuts")) or None,
        "protected_in_model": options.pop("protected_in_model") or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def required(roles: dict[str, Any]) -> dict[str, Any]:
    """Return the roles; raise if outcome or protected attributes are missing."""
    for name in ("outcome", "protected"):
        if name not in roles:
            raise click.UsageError(f"--{name} is required: without it there are no groups to compare")
    return roles


def cuts_of(words: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """Parse bin edges of the form ``age=25`` or ``age=25,60``."""
    out: dict[str, tuple[float, ...]] = {}
    for word in words:
        name, found, bounds = word.partition("=")
        try:
            numbers = tuple(float(b) for b in bounds.split(","))
        except ValueError:
            numbers = ()
        if not found or not name or not numbers or not all(map(math.isfinite, numbers)):
            raise UsageError(f"--bins expects COLUMN=NUMBER[,NUMBER], got {word!r}")
        out[name] = numbers
    return out
