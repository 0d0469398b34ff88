"""Copies of interpreters without their symbol tables: `strip -s` of the program and of its libpython, everything else as it was."""

import os
import re
import subprocess
from pathlib import Path

import cache
from apt import CannotBeHad


def library_of(program):
    """The libpython that a program is linked with, or None."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    match = re.search(r"libpython\S+ => (\S+)", said)
    return Path(match[1]) if match else None


def strip(file, to):
    to.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["strip", "-s", "-o", to, file], capture_output=True, text=True)
    if done.returncode:
        raise CannotBeHad(f"{file} cannot be stripped: {done.stderr.strip()}")


def stripped_copy(program):
    """(the stripped program, the environment that it needs). Made at most once for each file that it is made of."""
    program = Path(program).resolve()
    library = library_of(program)
    place = cache.home() / "stripped" / f"{program.name}-{os.stat(program).st_mtime_ns:x}"
    copy = place / "bin" / program.name
    if not copy.exists():
        try:
            with cache.laying(place) as folder:
                strip(program, folder / "bin" / program.name)
                if library:
                    strip(library.resolve(), folder / "lib" / library.name)
        except FileNotFoundError as missing:
            raise CannotBeHad(f"there is no {missing.filename}") from None
    environment = {"PYTHONHOME": str(program.parent.parent)}
    if library:
        environment["LD_LIBRARY_PATH"] = str(place / "lib")
    return copy, environment
