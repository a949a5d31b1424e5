"""The command line: options, one call of the Python API, one printer.

Commands are imported when they are called for, so that a listing starts at once. Exit codes: 0 done
and deployable; 1 an error; 2 usage; 3 waits for approval; 4 escalated, a gate failed, or the policy
demands too little.
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
    "audit": ("fairmend.cli.audit", "Find where and how much groups differ in data or decisions."),
    "recommend": ("fairmend.cli.discover", "Rank the techniques that an audit calls for."),
    "explain": ("fairmend.cli.discover", "Say why a technique is, or is not, in the pipeline of an audit."),
    "compose": ("fairmend.cli.pipelines", "Compose a pipeline from an audit, as YAML."),
    "sweep": ("fairmend.cli.sweep", "Try techniques and their combinations, and draw the frontier."),
    "run": ("fairmend.cli.pipelines", "Run a pipeline on data: gates, decisions, rollbacks, verdict."),
    "status": ("fairmend.cli.runs", "List the runs that are kept, or show how one stands."),
    "resume": ("fairmend.cli.runs", "Go on with a run that was cut off or waits."),
    "approve": ("fairmend.cli.runs", "Record a person's decision on a gate of a run."),
    "verify": ("fairmend.cli.runs", "Check that nothing of a run was changed."),
    "report": ("fairmend.cli.runs", "Write the validation report of a run."),
    "predict": ("fairmend.cli.runs", "Apply the rule of a run to new rows."),
    "keys": ("fairmend.cli.keys", "Show, make and trust the keys that sign records."),
    "policy": ("fairmend.cli.policies", "Show, check and compare policies."),
    "demo": ("fairmend.cli.pipelines", "Run the whole way on an invented bank whose bias is known."),
    "technique": ("fairmend.cli.techniques", "List, show and run single techniques."),
    "plugin": ("fairmend.cli.plugins", "Show what is installed, and how it fares."),
}
LONGEST_MESSAGE = 1200  # characters of a message on stderr


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called for."""

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
        """Return the command that is asked for, or say which names are close."""
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
    """Turn a fairness audit into a fix that can be shown to work."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    # Threads that wait for work in a loop stop each other where cores are shared with other programs:
    # training was up to thirty times slower for it. Read when the numeric libraries are loaded.
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
    except SystemExit as error:  # click's own ways out do not come here: this is a plugin's
        return _failed(f"the command was ended by sys.exit({error.code!r}) before it was done", 1)
    except FairmendError as error:
        return _failed(str(error), 2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        return _failed(_refusal(error), 1)
    finally:
        _tell_left_out()
    return code if isinstance(code, int) else 0


def _check_text(arguments: Sequence[str]) -> None:
    """Raise UsageError where an argument holds bytes that are no text."""
    for place, argument in enumerate(arguments, start=1):
        if "\0" in argument or any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(
                f"argument {place} ({shown(argument)}) holds bytes that are no UTF-8 text; "
                "type it in UTF-8, and rename a file that is so named"
            )


def _refusal(error: OSError) -> str:
    """Return what the operating system refused, and of which file."""
    named = "" if error.filename is None else f"{shown(str(error.filename))}: "
    return f"{named}{error.strerror or error}"


def _tell_left_out() -> None:
    """Name the plugins that a command had to do without, each with the reason."""
    catalog = sys.modules.get("fairmend.api.catalog")
    if catalog is None or not catalog.registry.cache_info().currsize:
        return
    for name, why in catalog.registry().problems.items():
        _say(f"the plugin {name} is left out: {why}")
    for name, what in catalog.registry().notices.items():
        _say(f"the plugin {name} works in part: {what}")


def _failed(message: str, code: int) -> int:
    _say(f"error: {message}")
    return code


def _say(message: str) -> None:
    """Print one line of bounded length on stderr."""
    print(f"fairmend: {one_line(message, limit=LONGEST_MESSAGE)}", file=sys.stderr)
