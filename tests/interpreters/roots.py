"""Private roots of other Debian suites, laid once and run with chroot: real interpreters of other versions and builds, with the
libraries of their own suite.

usage: roots.py [--again] [NAME...]     the default is all that the tests look for by themselves; --again lays anew
"""

import argparse
import json
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cache
from apt import Apt, CannotBeHad, megabytes

MARK = ".laid.json"
# Programs expect these; nothing else of /dev is needed to run Python.
DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}


@dataclass(frozen=True)
class Root:
    name: str
    suite: str
    packages: tuple
    programs: tuple  # that must answer before the root counts as laid
    by_default: bool = True

    @property
    def place(self):
        return cache.home() / self.name

    @property
    def is_laid(self):
        return (self.place / MARK).exists()


BASE = ("bash", "coreutils")
ROOTS = {
    root.name: root
    for root in (
        # The suite's default Python is 3.14: it has the modules that services are made of.
        Root("sid", "sid", (*BASE, "python3", "python3.14", "python3.15", "python3-uvloop", "python3-fastapi", "python3-uvicorn",
                            "python3-requests", "python3-sqlalchemy", "python3-psycopg2", "python3-redis", "python3-django"),
             ("python3.14", "python3.15")),
        Root("trixie", "trixie", (*BASE, "python3.13"), ("python3.13",)),
        # Debug builds weigh 190 MB: laid only when asked for.
        Root("sid-debug", "sid", (*BASE, "python3.14-dbg", "python3.15-dbg"), ("python3.14d", "python3.15d"), by_default=False),
    )
}  # fmt: skip


def unpack(archives, root):
    for part in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / part).mkdir(parents=True)
        (root / part).symlink_to(f"usr/{part}")
    for part in ("proc", "dev", "tmp", "run"):
        (root / part).mkdir()
    (root / "tmp").chmod(0o1777)
    for archive in archives:
        content = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE)
        laid = subprocess.run(["tar", "-x", "-C", root, "--keep-directory-symlink"], stdin=content.stdout)
        content.stdout.close()
        if content.wait() or laid.returncode:
            raise CannotBeHad(f"{archive.name} cannot be unpacked")


def make_devices(root):
    for name, (major, minor) in DEVICES.items():
        try:
            os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            (root / "dev" / name).chmod(0o666)
        except PermissionError:
            print(f"/dev/{name} cannot be made here: the root goes without it", flush=True)


def versions_in(root, programs):
    """{program: its version}; each is run once, so that no root counts as laid whose Python does not start."""
    versions = {}
    for program in programs:
        answer = subprocess.run(["chroot", root, f"/usr/bin/{program}", "-c", "import asyncio, sys; print(sys.version.split()[0])"],
                                capture_output=True, text=True)  # fmt: skip
        if answer.returncode:
            raise CannotBeHad(f"{program} of the new root does not run: {(answer.stderr.strip().splitlines() or ['no word'])[-1]}")
        versions[program] = answer.stdout.strip()
    return versions


def lay(root):
    if os.geteuid() != 0:
        raise CannotBeHad("only root may change into another root")
    with tempfile.TemporaryDirectory(prefix="snag-apt-") as state, cache.laying(root.place) as folder:
        print(f"{root.name}: reading the lists of Debian {root.suite}", flush=True)
        apt = Apt(state, [root.suite])
        files = apt.packages(root.packages)
        size = sum(file.size for file in files)
        print(f"{root.name}: downloading {len(files)} packages, {megabytes(size)}", flush=True)
        unpack(apt.download(root.packages, files), folder)
        make_devices(folder)
        versions = versions_in(folder, root.programs)
        (folder / MARK).write_text(json.dumps({"suite": root.suite, "versions": versions, "downloaded": size}, indent=1) + "\n")
        told = ", ".join(f"{program} is {version}" for program, version in versions.items())
        print(f"{root.name}: laid in {root.place}: {told}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--again", action="store_true", help="lay anew, with the newest packages")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ROOTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ROOTS):
        parser.error(f"there is no root {sorted(unknown)[0]}; there are {', '.join(ROOTS)}")
    status = 0
    for root in ROOTS.values():
        if root.name not in arguments.names if arguments.names else not root.by_default:
            continue
        if root.is_laid and not arguments.again:
            print(f"{root.name}: is in {root.place}")
            continue
        try:
            lay(root)
        except CannotBeHad as why:
            cache.keep_reason(root.place, str(why))
            print(f"{root.name}: cannot be had: {why}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
