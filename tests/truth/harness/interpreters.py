"""The interpreters that truth is told on: which there are, where this machine has them, and how each is started.

Run as a program it prints the rows of the matrix, `NAME WAY;NAME WAY…`, for CMake to make tests of.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS / "interpreters"))

import cache  # noqa: E402
from apt import CannotBeHad  # noqa: E402
from free_threaded import program_of  # noqa: E402
from roots import ROOTS  # noqa: E402
from stripped import stripped_copy  # noqa: E402

TARGETS = TESTS / "targets"
# How an interpreter is run: beside Snag; in another root; in namespaces of its own, as containers are, with other numbers there.
HERE, CHROOT, CONTAINER = "here", "chroot", "container"


# ---- where they are ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A python3 program, as it is named within `root`, and what it needs in its environment."""

    program: Path
    root: Path = Path("/")
    environment: tuple = ()


def pyenv(minor):
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    release = re.compile(re.escape(minor) + r"\.(\d+)$")
    found = [(int(match[1]), entry) for entry in versions.glob("*") if (match := release.match(entry.name))]
    for _, entry in sorted(found, reverse=True):
        if (entry / "bin/python3").exists():
            return Place(entry / "bin/python3")
    raise CannotBeHad(f"no CPython {minor} below {versions}")


def installed(program):
    if not Path(program).exists():
        raise CannotBeHad(f"there is no {program}")
    return Place(Path(program))


def in_root(name, program):
    root = ROOTS[name]
    if not root.is_laid:
        raise CannotBeHad(cache.reason(root.place) or f"no root in {root.place}; ./run roots {name} lays it")
    return Place(Path(program), root.place)


def stripped(place):
    program, environment = stripped_copy(place.program)
    return Place(program, environment=tuple(environment.items()))


def free_threaded(minor):
    program = program_of(minor)
    if not program.exists():
        raise CannotBeHad(cache.reason(program.parent.parent) or f"there is no {program}; ./run free-threaded builds it")
    return Place(program)


@dataclass(frozen=True)
class Entry:
    name: str
    find: object  # () → Place, or CannotBeHad
    ways: tuple = (HERE,)
    supported: bool = True  # False: Snag must refuse it, and say why


IN_ROOT = (CHROOT, CONTAINER)
# The one place that says which interpreters are tested. A word of a line is all that stands between a row and its tests.
ENTRIES = (
    Entry("3.6", lambda: pyenv("3.6"), supported=False),
    Entry("3.7", lambda: pyenv("3.7")),
    Entry("3.8", lambda: pyenv("3.8"), (HERE, CONTAINER)),
    Entry("3.9", lambda: pyenv("3.9")),
    Entry("3.10", lambda: pyenv("3.10")),
    Entry("3.11", lambda: pyenv("3.11")),
    Entry("3.12", lambda: pyenv("3.12")),
    Entry("3.12-stripped", lambda: stripped(pyenv("3.12"))),
    Entry("3.13", lambda: pyenv("3.13")),
    Entry("debian", lambda: installed("/usr/bin/python3"), (HERE, CONTAINER)),
    Entry("debian-stripped", lambda: stripped(installed("/usr/bin/python3"))),
    Entry("debian-dbg", lambda: installed("/usr/bin/python3-dbg")),
    Entry("trixie-3.13", lambda: in_root("trixie", "/usr/bin/python3.13"), IN_ROOT),
    Entry("3.14", lambda: in_root("sid", "/usr/bin/python3.14"), IN_ROOT),
    Entry("3.15", lambda: in_root("sid", "/usr/bin/python3.15"), IN_ROOT),
    Entry("3.14-dbg", lambda: in_root("sid-debug", "/usr/bin/python3.14d"), (CHROOT,)),
    Entry("3.15-dbg", lambda: in_root("sid-debug", "/usr/bin/python3.15d"), (CHROOT,)),
    Entry("3.13t", lambda: free_threaded("3.13")),
    Entry("3.14t", lambda: free_threaded("3.14")),
    Entry("3.15t", lambda: free_threaded("3.15")),
)
NAMES = tuple(entry.name for entry in ENTRIES if entry.supported)
BY_NAME = {entry.name: entry for entry in ENTRIES}
ROWS = tuple((entry.name, way) for entry in ENTRIES for way in entry.ways)


# ---- what they are -------------------------------------------------------------------------------------------------

FACTS = """
import json, platform, sysconfig
get = sysconfig.get_config_var
print(json.dumps({"version": platform.python_version(), "debug": bool(get("Py_DEBUG")), "free-threaded": bool(get("Py_GIL_DISABLED")),
                  "shared": bool(get("Py_ENABLE_SHARED")), "arguments": get("CONFIG_ARGS") or ""}))
"""


def has_symbols(program):
    said = subprocess.run(["readelf", "-SW", program], capture_output=True, text=True).stdout
    return re.search(r"\bSYMTAB\b", said) is not None


class Interpreter:
    """One python3 program, and a way to run it; `reason` says why there is none, and then `path` is None."""

    def __init__(self, name, way=None):
        self.entry = BY_NAME[name]
        self.name, self.way = name, way or self.entry.ways[0]
        self.path, self.reason, self.version, self.build = None, "", "", ""
        self._scripts = None
        try:
            self._place = self.entry.find()
            if self.way != HERE and os.geteuid() != 0:
                raise CannotBeHad("only root may change into another root or into namespaces")
            self.path = self._place.program
            self._ask()
        except CannotBeHad as why:
            self.path, self.reason = None, str(why)

    def _ask(self):
        said = subprocess.run([*self.command(), "-c", FACTS], check=True, capture_output=True, text=True, env=self.environment())
        facts = json.loads(said.stdout)
        self.version = facts["version"]
        words = [word for word in ("debug", "free-threaded") if facts[word]] or ["release"]
        words += ["shared" if facts["shared"] and self._is_linked_shared() else "static"]
        words += ["stripped"] if not has_symbols(self._program_here()) else []
        words += [word for word, option in (("PGO", "--enable-optimizations"), ("LTO", "--with-lto")) if option in facts["arguments"]]
        self.build = ", ".join(words)

    def _program_here(self):
        return os.path.realpath(self._place.root / self.path.relative_to("/"))

    def _is_linked_shared(self):
        said = subprocess.run(["readelf", "-dW", self._program_here()], capture_output=True, text=True).stdout
        return "libpython" in said

    def command(self):
        """What starts it, before its own arguments."""
        root = self._place.root
        enter = {
            HERE: [],
            CHROOT: ["chroot", root],
            CONTAINER: [sys.executable, Path(__file__).with_name("container.py"), root],
        }[self.way]
        return [*enter, self.path]

    def runs(self, script, *arguments):
        """The command that runs one of the targets."""
        # -u: what it says must not wait in a buffer; -S is not given: a real process has its site-packages.
        return [*self.command(), "-u", self.script(script), *arguments]

    def environment(self):
        return {**os.environ, **dict(self._place.environment)}

    def script(self, name):
        """One of the targets, by the path that the interpreter sees it at."""
        if self._place.root == Path("/"):
            return TARGETS / name
        return "/" / (self._copy_scripts() / name).relative_to(self._place.root)

    def _copy_scripts(self):
        """The targets within its root, in a folder of this process; those of processes that were killed go."""
        if self._scripts is None:
            for folder in (self._place.root / "tmp").glob("snag-targets-*"):
                if not Path("/proc", folder.name.rpartition("-")[2]).exists():
                    shutil.rmtree(folder, ignore_errors=True)
            self._scripts = self._place.root / f"tmp/snag-targets-{os.getpid()}"
            shutil.copytree(TARGETS, self._scripts, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        return self._scripts

    def close(self):
        if self._scripts is not None:
            shutil.rmtree(self._scripts, ignore_errors=True)
            self._scripts = None

    def host_pid(self, pid):
        """The process that a command started as `pid` has become, as this machine numbers it."""
        if self.way != CONTAINER:
            return pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)


if __name__ == "__main__":
    print(";".join(f"{name} {way}" for name, way in ROWS), end="")
