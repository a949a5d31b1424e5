"""A virtual environment of its own, for tests that install something."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Environment:
    """A virtual environment that sees the libraries of this one, but not what is installed in it anew."""

    def __init__(self, folder: Path, name: str = "environment") -> None:
        self.folder = folder
        self.home = folder / name
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.home], check=True)
        self.python = self.home / "bin" / "python"
        libraries = sysconfig.get_path("purelib")
        own = self.call(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout
        # Its own packages come first on the path, so that the project is the one installed here.
        self.packages = Path(own.strip())
        (self.packages / "libraries.pth").write_text(f"import site; site.addsitedir({libraries!r})\n")

    def call(self, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder and hold its exit code against the one that is expected."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "FAIRMEND"))
        }
        path = f"{self.home / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
        done = subprocess.run(
            [str(a) for a in arguments],
            cwd=self.folder,
            env={
                **kept,
                "PATH": path,
                "FAIRMEND_CACHE": str(self.folder / "cache"),
                "FAIRMEND_PLUGIN_TIMEOUT": "600",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done

    def install(self, *arguments: object) -> None:
        """Install a project from its folder, without its dependencies, built with the tools that are here."""
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", self.python]
        options = ["--no-deps", "--ignore-installed", "--no-build-isolation"]
        self.call(*pip, "install", *options, *arguments)

    def fairmend(self, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command of the environment."""
        return self.call(self.home / "bin" / "fairmend", *arguments, code=code)
