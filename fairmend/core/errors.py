"""The exceptions of fairmend.

A message says in one line what was expected, what was given and what to do next. Each exception also
subclasses the builtin that a caller would catch::

    FairmendError (Exception)
    ├── UsageError (ValueError)              the request contradicts itself: exit code 2
    │   └── ParameterError                   a technique's parameter is out of range
    ├── DataError (ValueError)               the data do not allow the request
    │   ├── MissingColumnError               a named column is not there
    │   ├── UnseenGroupError                 a group that was not there at fit
    │   └── InsufficientDataError            too few rows, one class, one group, an empty cell
    ├── UnknownNameError (LookupError)       no such technique, gate, policy, run ...
    ├── NotFeasibleError (ValueError)        the method has no solution for this data and these settings
    ├── MissingExtraError (ImportError)      an optional package is needed
    ├── PluginError (RuntimeError)           a third-party plugin breaks the contract
    ├── KeyFileError (RuntimeError)          a key that signs records is missing, damaged or open to others
    └── RunError (RuntimeError)              a stored run cannot be read, resumed or verified
        └── StoreError                       the run store cannot be written or read now
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fairmend.core.text.escaping import shown


class FairmendError(Exception):
    """Base of all errors that fairmend raises on purpose."""


class UsageError(FairmendError, ValueError):
    """The request contradicts itself or names something impossible."""


class ParameterError(UsageError):
    """A parameter of a technique is of the wrong type or out of its range."""


class DataError(FairmendError, ValueError):
    """The data do not allow the request."""


class MissingColumnError(DataError):
    """A column that the roles name is not in the data."""


class UnseenGroupError(DataError):
    """Rows belong to a group that was not seen in fit."""


class InsufficientDataError(DataError):
    """Too few rows, only one class or group, or an empty cell that the method needs."""


class UnknownNameError(FairmendError, LookupError):
    """There is nothing with the requested name."""


class NotFeasibleError(FairmendError, ValueError):
    """The method has no solution for this data and these settings."""


class MissingExtraError(FairmendError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class PluginError(FairmendError, RuntimeError):
    """A plugin violates the contract: invalid metadata, an id that is already taken, a failing import."""


class KeyFileError(FairmendError, RuntimeError):
    """A key that signs records, or the list of trusted keys, is missing, damaged or open to others."""


class RunError(FairmendError, RuntimeError):
    """A stored run cannot be read, resumed or verified."""


class StoreError(RunError):
    """The run store cannot be written or read now, e.g. because the disk is full; the run can be resumed later."""


class DataWarning(UserWarning):
    """New rows differ from those seen in fit; decisions are still made."""


def unknown(kind: str, name: object, known: Iterable[object], hint: str = "") -> UnknownNameError:
    """Return the error for an unknown name, with similar names.

    Parameters
    ----------
    kind : str
        Kind of object, e.g. ``"technique"``.
    name : object
        The unknown name.
    known : iterable
        All known names.
    hint : str
        Command that lists the choices, e.g. ``"fairmend technique list"``.

    Examples
    --------
    >>> str(unknown("technique", "reweighting", ["instance-weighting", "massaging", "reweighing"]))
    "no technique is called 'reweighting'; did you mean reweighing or instance-weighting?"
    """
    choices = [str(k) for k in known]
    close = difflib.get_close_matches(str(name)[:200], choices, n=3, cutoff=0.5)
    message = f"no {kind} is called {shown(str(name))}"
    if close:
        message += f"; did you mean {' or '.join(close)}?"
    elif hint:
        message += f"; {hint} lists them"
    elif choices and len(choices) <= 12:
        message += f"; there are {', '.join(choices)}"
    return UnknownNameError(message)
