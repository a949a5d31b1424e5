"""The command line: options, one call of the Python API, one printer.

Commands are imported on first use, so that ``--help`` is fast. Exit codes: 0 done and deployable;
1 error; 2 usage error; 3 waiting for approval; 4 escalated, a gate failed, or the policy requires too little;
5 accepted by people although a required check did not pass.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from fairmend.cli.streams import steady_streams
from fairmend.core.errors import FairmendError, UsageError, unknown
from fairmend.core.safety.supervision import supervised
from fairmend.core.text.escaping import one_line, shown

COMMANDS = {
    "query": ("fairmend.cli.discover", "Find techniques for a question in plain words."),
    "audit": ("fairmend.cli.audit", "Audit data or decisions for differences between groups."),
    "causes": ("fairmend.cli.causes", "Say how disparities come about, and where to intervene."),
    "recommend": ("fairmend.cli.discover", "Rank the techniques that address the findings of an audit."),
    "explain": ("fairmend.cli.discover", "Say why a technique is, or is not, in the pipeline of an audit."),
    "compose": ("fairmend.cli.pipelines", "Compose a pipeline from an audit, as YAML."),
    "sweep": ("fairmend.cli.sweep", "Try techniques and combinations, and plot the Pareto frontier."),
    "run": ("fairmend.cli.pipelines", "Run a pipeline on data: gates, decisions, rollbacks, verdict."),
    "status": ("fairmend.cli.runs", "List stored runs, or show the status of one."),
    "resume": ("fairmend.cli.runs", "Resume an interrupted, waiting or rejected run."),
    "approve": ("fairmend.cli.runs", "Approve or reject a gate of a run."),
    "choose": (
        "fairmend.cli.runs",
        "Decide on an escalated run: accept, choose an option, send back or stop.",
    ),
    "verify": ("fairmend.cli.runs", "Verify that a stored run has not been altered."),
    "report": ("fairmend.cli.runs", "Write the validation report of a run."),
    "predict": ("fairmend.cli.runs", "Apply the decision rule of a run to new data."),
    "keys": ("fairmend.cli.keys", "Show, create and trust the keys that sign records."),
    "policy": ("fairmend.cli.policies", "Show, validate and compare policies."),
    "demo": ("fairmend.cli.pipelines", "Run the full workflow on synthetic bank data with known bias."),
    "technique": ("fairmend.cli.techniques", "List, show and run single techniques."),
    "plugin": ("fairmend.cli.plugins", "List, check and create plugins."),
}
LONGEST_MESSAGE = 1200  # characters of a message on stderr


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the requested command, or suggest similar names."""
        if args and args[0] not in COMMANDS:
            raise click.UsageError(str(unknown("command", args[0], COMMANDS, "fairmend --help")))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fairmend")
def root() -> None:
    """Turn a fairness audit into a validated mitigation pipeline."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    # Idle threads that spin block each other when other programs share the cores:
    # training was up to thirty times slower. Read when the numeric libraries are loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    steady_streams()
    given = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(supervised(lambda: invoke(given)))


def invoke(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; errors become one line on stderr."""
    try:
        _check_text(arguments)
        code = root.main(list(arguments), prog_name="fairmend", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except click.Abort:
        return _failed("interrupted", 130)
    except SystemExit as error:  # click's own exits do not end up here, so this one comes from a plugin
        return _failed(f"the command was ended by sys.exit({error.code!r}) before it finished", 1)
    except FairmendError as error:
        return _failed(str(error), 2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        return _failed(_refusal(error), 1)
    finally:
        _tell_left_out()
    return code if isinstance(code, int) else 0


def _check_text(arguments: Sequence[str]) -> None:
    """Raise UsageError if an argument contains bytes that are not text."""
    for place, argument in enumerate(arguments, start=1):
        if "\0" in argument or any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(
                f"argument {place} ({shown(argument)}) contains bytes that are not valid UTF-8; "
                "type it in UTF-8; rename the file if its name is the cause"
            )


def _refusal(error: OSError) -> str:
    """Describe an operating system error and the file it concerns."""
    named = "" if error.filename is None else f"{shown(str(error.filename))}: "
    return f"{named}{error.strerror or error}"


def _tell_left_out() -> None:
    """Warn about plugins that could not be loaded, each with the reason."""
    catalog = sys.modules.get("fairmend.api.catalog")
    if catalog is None or not catalog.registry.cache_info().currsize:
        return
    for name, why in catalog.registry().problems.items():
        _say(f"plugin {name} was not loaded: {why}")
    for name, what in catalog.registry().notices.items():
        _say(f"plugin {name} works only in part: {what}")


def _failed(message: str, code: int) -> int:
    _say(f"error: {message}")
    return code


def _say(message: str) -> None:
    """Print one line of bounded length on stderr."""
    print(f"fairmend: {one_line(message, limit=LONGEST_MESSAGE)}", file=sys.stderr)
