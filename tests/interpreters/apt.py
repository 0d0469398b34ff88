"""Packages of other Debian suites, fetched without installing them: apt with a state folder of its own, and the mirror that the
system's own apt is set up with. Nothing of the system's apt is changed."""

import hashlib
import os
import re
import subprocess
from pathlib import Path

SYSTEM = Path("/etc/apt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class CannotBeHad(Exception):
    """Why something cannot be had here, in one sentence."""


class File:
    """One file that apt would fetch: `'URI' NAME SIZE SHA256:HEX`, as --print-uris prints it."""

    def __init__(self, line):
        address, self.name, size, digest = (line.split() + [""])[:4]
        self.address, self.size = address.strip("'"), int(size)
        self.sha256 = digest.partition("SHA256:")[2]

    def is_at(self, path):
        if not path.exists() or path.stat().st_size != self.size:
            return False
        return not self.sha256 or hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256


def deb822_entries(text):
    """The stanzas of a .sources file that are in use, as {field in lower case: value}."""
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if line and not line.startswith("#")]
        fields = {}
        for line in re.sub(r"\n[ \t]+", " ", "\n".join(lines)).splitlines():
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        if fields.get("uris") and fields.get("enabled", "yes").lower() not in ("no", "false", "0"):
            yield fields


def one_line_entries(text):
    """The lines of a .list file in the same form: `deb [OPTION=VALUE…] URI SUITE COMPONENT…`."""
    for line in text.splitlines():
        match = re.match(r"\s*(deb|deb-src)\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if match:
            options = dict(option.partition("=")[::2] for option in (match[2] or "").split())
            yield {**{name.lower(): value for name, value in options.items()},
                   "types": match[1], "uris": match[3], "suites": match[4], "components": match[5]}  # fmt: skip


def system_entries(folder=SYSTEM):
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            entries = deb822_entries if path.suffix == ".sources" else one_line_entries
            yield from entries(path.read_text(errors="replace"))


def release():
    """(ID, VERSION_CODENAME) of /etc/os-release."""
    text = Path("/etc/os-release").read_text()
    fields = dict(re.findall(r'^(\w+)="?(.*?)"?$', text, re.MULTILINE))
    return fields.get("ID", ""), fields.get("VERSION_CODENAME", "")


def mirror(folder=SYSTEM, system=None):
    """(URI, options) of the mirror that this system has its Debian packages from: the one that carries its suite's main."""
    distribution, codename = system or release()
    if distribution != "debian":
        raise CannotBeHad(f"this system is {distribution or 'no Debian'}, whose mirrors carry no Debian suites")
    for entry in system_entries(folder):
        suites, components = entry.get("suites", "").split(), entry.get("components", "").split()
        if entry["uris"].startswith("cdrom:"):
            continue
        if "deb" in entry.get("types", "").split() and {codename, "stable"} & set(suites) and "main" in components:
            options = {name: entry[name] for name in ("signed-by", "trusted") if name in entry}
            return entry["uris"].split()[0], options or {"signed-by": KEYRING}
    raise CannotBeHad(f"{folder} names no mirror that carries {codename} main")


def reason_of(text):
    """apt's own reason out of what it said, in one line."""
    said = [re.sub(r" +\[IP: .*?\]", "", line[2:]).strip() for line in text.splitlines() if line.startswith("E:")]
    return " ".join(said[0].split()) if said else (text.strip().splitlines() or ["it gave no reason"])[-1]


class Apt:
    """apt-get on suites of the system's mirror, with everything that it keeps below `state`."""

    def __init__(self, state, suites, types="deb"):
        self._state = Path(state)
        uri, options = mirror()
        for part in ("lists/partial", "cache/archives/partial"):
            (self._state / part).mkdir(parents=True, exist_ok=True)
        (self._state / "status").touch()
        told = " ".join(f"{name}={value}" for name, value in options.items())
        lines = [f"{types} [{told}] {uri} {suite} main\n" for suite in suites]
        (self._state / "sources.list").write_text("".join(lines))
        self._suites = ", ".join(suites)
        self._update()

    def _run(self, tool, *arguments, folder=None):
        places = {"Dir::Etc::sourcelist": self._state / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
                  "Dir::State::lists": self._state / "lists", "Dir::State::status": self._state / "status",
                  "Dir::Cache": self._state / "cache"}  # fmt: skip
        # The sandbox's user could not write here, and nobody else uses this state.
        settings = {**places, "APT::Sandbox::User": "root", "APT::Install-Recommends": "false", "Debug::NoLocking": "true"}
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return subprocess.run(
            [tool, *options, *arguments], cwd=folder or self._state, env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip

    def _update(self):
        try:
            done = self._run("apt-get", "update", "-q", "--error-on=any")
        except FileNotFoundError:
            raise CannotBeHad("there is no apt-get here") from None
        if done.returncode:
            raise CannotBeHad(f"apt cannot read the mirror's lists of {self._suites}: {reason_of(done.stderr)}")

    def _files(self, *arguments):
        done = self._run("apt-get", "-y", "--print-uris", *arguments)
        if done.returncode:
            raise CannotBeHad(f"apt finds no way to {' '.join(arguments)} from {self._suites}: {reason_of(done.stderr)}")
        return [File(line) for line in done.stdout.splitlines() if line.startswith("'")]

    def packages(self, names):
        """The files of these packages and of all that they depend on."""
        return self._files("install", *names)

    def download(self, names, files):
        """Where the packages' files are, once all of them are there."""
        done = self._run("apt-get", "-y", "-q", "--download-only", "install", *names)
        places = [self._state / "cache/archives" / file.name for file in files]
        missing = [file.name for file, place in zip(files, places) if not file.is_at(place)]
        if done.returncode or missing:
            named = ", ".join(missing[:3]) or "some files"
            raise CannotBeHad(f"the mirror did not give {len(missing)} of {len(files)} packages ({named}): {reason_of(done.stderr)}")
        return places

    def source_versions(self, package):
        """All versions of a source package that the lists name, in the order of the suites."""
        done = self._run("apt-cache", "madison", package)
        rows = [[field.strip() for field in line.split("|")] for line in done.stdout.splitlines()]
        return list(dict.fromkeys(version for _, version, where in rows if where.endswith("Sources")))

    def original_source(self, package, version, folder):
        """The upstream source's archive of a source package; Debian's own changes are not wanted, and may be missing."""
        original = next((f for f in self._files("source", f"{package}={version}") if re.search(r"\.orig\.tar\.\w+$", f.name)), None)
        if original is None:
            raise CannotBeHad(f"the source package {package} {version} has no upstream archive")
        place = Path(folder) / original.name
        if not original.is_at(place):
            print(f"downloading {original.name}, {megabytes(original.size)}", flush=True)
            done = self._run("apt-get", "-q", "--download-only", "source", f"{package}={version}", folder=folder)
            if not original.is_at(place):
                raise CannotBeHad(f"the mirror's lists name {original.name} and the mirror does not have it: {reason_of(done.stderr)}")
        return place


def megabytes(size):
    return f"{size / 1e6:.1f} MB"
