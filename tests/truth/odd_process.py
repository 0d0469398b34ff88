"""What the tests of odd processes share: a Python that tells its own stack and waits, run in whatever way the test wants."""

import shutil
import subprocess
from pathlib import Path

from harness.interpreters import TARGETS
from harness.process import Speaker, wait_until
from harness.truth import BIN, TruthTest

WAITING = TARGETS / "waiting.py"
DONE, FAILED, NO_PYTHON = 0, 1, 4  # exit statuses


class OddTest(TruthTest):
    def start_waiting(self, *command, **options):
        """A process that runs waiting.py in some way, once it waits; its `account` is its own word of its stack."""
        process = Speaker(command, **options)
        self.addCleanup(process.close)
        process.first_words = process.wait_for("ready")
        return process

    def dump(self, pid, binary=BIN):
        """(threads, stderr) of a `snag dump` that succeeded."""
        snag, status = self.run_to_end(binary / "snag", "dump", pid, "--json")
        self.assertEqual(status, DONE, snag.stderr)
        return snag.objects("thread"), snag.stderr

    def refusal(self, pid, status=NO_PYTHON):
        """The one sentence with which `snag dump` refuses."""
        snag, ended_with = self.run_to_end("snag", "dump", pid)
        self.assertEqual(ended_with, status, snag.stderr)
        self.assertEqual(snag.stderr.count("\n"), 1, snag.stderr)
        return snag.stderr

    def assert_told(self, process, pid=None, binary=BIN):
        """Snag sees the one thread, whole, with the very stack that the process told."""
        self.assertTrue(wait_until(lambda: waits_for_input(pid or process.pid)), "it does not wait for input")
        threads, errors = self.dump(pid or process.pid, binary)
        self.assertEqual(len(threads), 1, threads)
        (thread,) = threads
        self.assertTrue(thread.get("complete"), thread)
        seen = [[f["function"], f["file"], f["line"]] for f in thread["stack"] if f["kind"] == "PYTHON"]
        self.assertEqual(seen, process.first_words["stack"], errors)
        self.assertEqual(thread["tid"], pid or process.pid)
        return thread


class Installation:
    """A copy of what an interpreter's process maps: its executable and, where it has one, its libpython."""

    def __init__(self, interpreter, folder):
        real = interpreter.path.resolve()
        self.folder = folder
        self.executable = Path(shutil.copy(real, folder))
        needed = subprocess.run(["ldd", real], check=True, capture_output=True, text=True).stdout
        libraries = [line.split()[2] for line in needed.splitlines() if "libpython" in line]
        self.library = Path(shutil.copy(libraries[0], folder)) if libraries else None
        # The standard library stays where it was; the copied libpython goes before the one that the executable names.
        prefix = subprocess.run(
            [interpreter.path, "-c", "import sys; print(sys.base_prefix)"], check=True, capture_output=True, text=True
        ).stdout.strip()
        self.environment = {"PYTHONHOME": prefix, "LD_LIBRARY_PATH": str(folder), "PATH": "/usr/bin:/bin"}

    @property
    def holder(self):
        """The file that has the runtime in it."""
        return self.library or self.executable


def waits_for_input(pid):
    """Whether it has come from telling to waiting: it is in the system call read."""
    return Path(f"/proc/{pid}/syscall").read_text().startswith("0 ")


def maps_of(pid):
    return Path(f"/proc/{pid}/maps").read_text()
