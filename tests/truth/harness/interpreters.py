"""The CPython versions that truth is told on, and where this machine has them."""

import os
import re
import subprocess
from pathlib import Path

NAMES = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "debian")
DEBIAN = Path("/usr/bin/python3")


class Interpreter:
    """One python3 program; `reason` says why there is none, and then `path` is None."""

    def __init__(self, name):
        self.name = name
        self.path, self.reason = find(name)
        self.version = version_of(self.path) if self.path else ""


def pyenv_root():
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def find(name):
    """(path, "") or (None, the reason)."""
    if name == "debian":
        return (DEBIAN, "") if DEBIAN.exists() else (None, f"there is no {DEBIAN}")
    versions = pyenv_root() / "versions"
    release = re.compile(re.escape(name) + r"\.(\d+)$")
    found = [(int(match[1]), entry) for entry in sorted(versions.glob("*")) if (match := release.match(entry.name))]
    for _, entry in sorted(found, reverse=True):
        if (entry / "bin/python3").exists():
            return entry / "bin/python3", ""
    return None, f"no CPython {name} below {versions}"


def version_of(path):
    program = "import platform; print(platform.python_version())"
    return subprocess.run([path, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
