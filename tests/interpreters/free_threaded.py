"""Free-threaded builds of CPython (--disable-gil), made once from Debian's source packages: Debian itself builds none.

usage: free_threaded.py [--again] [3.13] [3.14] [3.15]     the default is all; a build takes some minutes
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cache
from apt import Apt, CannotBeHad

MINORS = ("3.13", "3.14", "3.15")
SUITES = ("sid", "forky", "trixie")  # the newest first: so are the versions that apt names


def place_of(minor):
    return cache.home() / "free-threaded" / minor


def program_of(minor):
    return place_of(minor) / "bin" / f"python{minor}t"


def run(step, command, folder, log):
    print(f"  {step}", flush=True)
    with open(log, "a") as said:
        if subprocess.run(command, cwd=folder, stdout=said, stderr=said, stdin=subprocess.DEVNULL).returncode:
            kept = cache.home() / "free-threaded" / "failed.log"
            kept.write_bytes(Path(log).read_bytes())
            raise CannotBeHad(f"{step} failed; {kept} says why")


def fetch(apt, minor, folder):
    """The newest upstream source that the mirror really has: (archive, Debian's version)."""
    package = f"python{minor}"
    versions = apt.source_versions(package)
    if not versions:
        raise CannotBeHad(f"none of {', '.join(SUITES)} has the source package {package}")
    reasons = []
    for version in versions:
        try:
            return apt.original_source(package, version, folder), version
        except CannotBeHad as why:
            reasons.append(why)
    raise reasons[0]


def build(apt, minor, folder):
    with cache.laying(place_of(minor)) as made:
        archive, version = fetch(apt, minor, folder)
        print(f"{minor}t: building {version}", flush=True)
        log, place = folder / "log", place_of(minor)
        (folder / "source").mkdir()
        run("unpacking", ["tar", "-xf", archive, "-C", folder / "source", "--strip-components=1"], folder, log)
        (folder / "build").mkdir()
        options = ["--disable-gil", f"--prefix={place}", "--without-ensurepip", "--disable-test-modules"]
        run("configure", [folder / "source/configure", *options], folder / "build", log)
        run("make", ["nice", "make", f"-j{os.cpu_count()}"], folder / "build", log)
        # Where it will be is compiled in; where it is put now, nobody finds it.
        run("make install", ["make", "install", f"DESTDIR={folder}/installed"], folder / "build", log)
        for entry in (folder / "installed" / place.relative_to("/")).iterdir():
            subprocess.run(["mv", entry, made], check=True)
    question = "import asyncio, sys; print(sys._is_gil_enabled())"
    answer = subprocess.run([program_of(minor), "-c", question], capture_output=True, text=True)
    if answer.stdout.strip() != "False":
        raise CannotBeHad(f"the build does not run without the GIL: {answer.stderr.strip() or answer.stdout.strip()}")
    print(f"{minor}t: is {program_of(minor)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--again", action="store_true", help="build anew, from the newest source")
    parser.add_argument("minors", nargs="*", choices=[*MINORS, []], default=[], metavar="MINOR")
    arguments = parser.parse_args()
    status, apt = 0, None
    with tempfile.TemporaryDirectory(prefix="snag-free-threaded-") as folder:
        for minor in arguments.minors or MINORS:
            if program_of(minor).exists() and not arguments.again:
                print(f"{minor}t: is {program_of(minor)}")
                continue
            try:
                apt = apt or Apt(Path(folder) / "apt", SUITES, "deb-src")
                (Path(folder) / minor).mkdir()
                build(apt, minor, Path(folder) / minor)
            except CannotBeHad as why:
                cache.keep_reason(place_of(minor), str(why))
                print(f"{minor}t: cannot be had: {why}", file=sys.stderr)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
