"""The markers of the plugin system; a plugin can import this module alone."""

from __future__ import annotations

import pluggy

PROJECT = "fairmend"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
