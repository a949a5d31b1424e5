"""Put the cards of the built-in techniques into the wheel, so that an installed fairmend lists them at once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WRITE = (
    "import sys; from pathlib import Path; from fairmend.catalog.registry import write_snapshot; "
    "write_snapshot(Path(sys.argv[1]))"
)


class CardsHook(BuildHookInterface):
    """Reads the cards off the source in a process of its own; the source tree stays as it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the cards to the wheel; an editable installation keeps them in the user's cache."""
        if version == "editable":
            return
        self.folder = tempfile.TemporaryDirectory()
        cards = Path(self.folder.name, "techniques.json")
        # What runs is this file's own project, from the folder that is being built.
        subprocess.run([sys.executable, "-c", WRITE, cards], cwd=self.root, check=True)  # noqa: S603
        build_data["force_include"][str(cards)] = "fairmend/catalog/techniques.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was written on the way."""
        if version != "editable":
            self.folder.cleanup()
