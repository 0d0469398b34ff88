"""Where the interpreters come from: the mirror is the system's own, and what is laid is there whole or not at all."""

import hashlib
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import cache
from apt import KEYRING, CannotBeHad, File, mirror, reason_of
from roots import ROOTS

BOOKWORM = ("debian", "bookworm")
SOURCES = """
# a comment, and a stanza that is off
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://security.test/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
# another one within
URIs: http://first.test/debian http://second.test/debian
Suites:
 bookworm
 bookworm-updates
Components: main contrib
Signed-By: /keys/of-the-mirror.gpg
"""
LIST = """# deb http://comment.test/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb-src http://sources.test/debian bookworm main
deb [arch=amd64 trusted=yes] http://list.test/debian/ bookworm contrib main # behind it
"""


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="snag-interpreters-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class TheMirror(Folder):
    def configure(self, **files):
        (self.folder / "sources.list.d").mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / "sources.list.d" / name.replace("_", ".")).write_text(text)

    def test_is_that_of_a_stanza(self):
        self.configure(debian_sources=SOURCES)
        self.assertEqual(mirror(self.folder, BOOKWORM), ("http://first.test/debian", {"signed-by": "/keys/of-the-mirror.gpg"}))

    def test_is_that_of_a_line(self):
        self.configure(debian_list=LIST)
        self.assertEqual(mirror(self.folder, BOOKWORM), ("http://list.test/debian/", {"trusted": "yes"}))

    def test_is_checked_by_debians_keys_where_none_are_named(self):
        (self.folder / "sources.list").write_text("deb http://plain.test/debian stable main\n")
        self.assertEqual(mirror(self.folder, BOOKWORM), ("http://plain.test/debian", {"signed-by": KEYRING}))

    def test_is_not_that_of_another_program_or_suite(self):
        self.configure(tool_list="deb https://tool.test/apt tool main\n", other_sources=SOURCES, other_save=LIST)
        with self.assertRaisesRegex(CannotBeHad, "names no mirror that carries trixie main"):
            mirror(self.folder, ("debian", "trixie"))

    def test_of_another_distribution_is_none(self):
        self.configure(debian_sources=SOURCES)
        with self.assertRaisesRegex(CannotBeHad, "this system is ubuntu"):
            mirror(self.folder, ("ubuntu", "noble"))

    def test_says_why_it_failed(self):
        said = "W: slow\nE: Failed to fetch http://m.test/x  404  Not Found [IP: 1.2.3.4 80]\nE: more\n"
        self.assertEqual(reason_of(said), "Failed to fetch http://m.test/x 404 Not Found")


class AFileThatAptNames(Folder):
    def test_is_there_when_its_bytes_are(self):
        digest = hashlib.sha256(b"whole").hexdigest()
        file, place = File(f"'http://m.test/a.deb' a.deb 5 SHA256:{digest}"), self.folder / "a.deb"
        self.assertFalse(file.is_at(place))
        for content, there in ((b"who", False), (b"wrong"[:5], False), (b"whole", True)):
            place.write_bytes(content)
            self.assertEqual(file.is_at(place), there, content)


class WhatIsLaid(Folder):
    def lay(self, content, fails=False):
        with cache.laying(self.folder / "root") as folder:
            (folder / "content").write_text(content)
            if fails:
                raise CannotBeHad("the mirror is away")

    def content(self):
        return (self.folder / "root/content").read_text()

    def names(self):
        return sorted(path.name for path in self.folder.iterdir() if path.name != ".lock")

    def test_is_not_there_when_laying_failed(self):
        with self.assertRaises(CannotBeHad):
            self.lay("half", fails=True)
        self.assertEqual(self.names(), [])

    def test_stays_when_laying_it_anew_failed(self):
        self.lay("old")
        with self.assertRaises(CannotBeHad):
            self.lay("half", fails=True)
        self.assertEqual((self.content(), self.names()), ("old", ["root"]))

    def test_is_replaced_and_its_reason_forgotten(self):
        self.lay("old")
        cache.keep_reason(self.folder / "root", "the mirror is away")
        self.assertEqual(cache.reason(self.folder / "root"), "the mirror is away")
        self.lay("new")
        self.assertEqual((self.content(), self.names(), cache.reason(self.folder / "root")), ("new", ["root"], ""))

    def test_is_not_what_a_killed_process_left(self):
        program = f"""import os, pathlib, cache
with cache.laying(pathlib.Path({str(self.folder)!r}) / "root") as folder:
    (folder / "half").touch()
    os._exit(9)"""
        subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parent)
        self.assertNotIn("root", self.names())
        self.lay("whole")
        self.assertEqual((self.content(), self.names()), ("whole", ["root"]))

    def test_counts_only_with_its_mark(self):
        with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(self.folder)):
            (ROOTS["sid"].place / "usr/bin").mkdir(parents=True)
            self.assertFalse(ROOTS["sid"].is_laid)


if __name__ == "__main__":
    unittest.main()
