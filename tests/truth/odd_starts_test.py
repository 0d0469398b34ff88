"""A Python that was started in another way than `python3 script.py`, or on a system that forbids the usual way to read it."""

import os
import shutil
import subprocess
import sys

import harness.truth
from odd_process import WAITING, OddTest

# A seccomp filter (struct sock_fprog) that answers process_vm_readv with this errno, then the program in its stead.
FORBIDDING = """
import ctypes, os, struct, sys
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
PROCESS_VM_READV, ERRNO, ALLOW = 310, 0x00050000, 0x7fff0000
filters = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, PROCESS_VM_READV), (RETURN, 0, 0, ERRNO | int(sys.argv[1])), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in filters))
program = struct.pack("HxxxxxxP", len(filters), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
for call in ((38, 1, 0, 0, 0), (22, 2, program, 0, 0)):
    if libc.prctl(*call):
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"""
ENOSYS, EPERM = 38, 1


class OddStarts(OddTest):
    def ps(self, pid):
        snag, _ = self.run_to_end("snag", "ps", "--json")
        (entry,) = [entry for entry in snag.objects("process") if entry["pid"] == pid]
        return entry

    def test_a_virtual_environment(self):
        folder = self.folder()
        subprocess.run([self.interpreter.path, "-m", "venv", "--without-pip", folder], check=True)
        process = self.start_waiting(folder / "bin/python", "-u", WAITING)
        self.assert_told(process)
        self.assertEqual(self.ps(process.pid)["command"], f"{folder}/bin/python {WAITING}")

    def test_a_command_on_the_command_line(self):
        process = self.start_waiting(self.interpreter.path, "-u", "-c", WAITING.read_text())
        self.assertEqual(process.first_words["stack"][0][1], "<string>")
        self.assert_told(process)
        self.assertEqual(self.ps(process.pid)["command"], f"{self.interpreter.path} -c")

    def test_a_script_on_standard_input(self):
        folder = self.folder()
        os.mkfifo(folder / "words")
        text = WAITING.read_text().replace("sys.stdin.readline()", f"open({str(folder / 'words')!r}, 'rb', 0).read()")
        with open(os.open(folder / "words", os.O_RDWR), "wb"):
            process = self.start_waiting("sh", "-c", f"exec '{self.interpreter.path}' -u <<'END'\n{text}\nEND\n")
            self.assertEqual(process.first_words["stack"][0][1], "<stdin>")
            self.assert_told(process)

    def test_a_wrapper_script_that_becomes_python(self):
        script = self.folder() / "start.sh"
        script.write_text(f"#!/bin/sh\nexec '{self.interpreter.path}' -u '{WAITING}'\n")
        script.chmod(0o755)
        self.assert_told(self.start_waiting(script))

    def test_another_word_for_its_name(self):
        process = self.start_waiting("billing", "-u", WAITING, executable=self.interpreter.path)
        self.assert_told(process)

    def test_a_title_of_its_own(self):
        if self.interpreter.name != "debian":
            self.skipTest("Debian's setproctitle is for Debian's Python")
        try:
            import setproctitle  # noqa: F401
        except ImportError:
            self.skipTest("there is no setproctitle")
        script = self.folder() / "titled.py"
        script.write_text(
            "import runpy, setproctitle\nsetproctitle.setproctitle('billing: worker --token=secret')\n"
            f"runpy.run_path({str(WAITING)!r})\n"
        )
        process = self.start_waiting(self.interpreter.path, "-u", script)
        self.assert_told(process)
        command = self.ps(process.pid)["command"]
        self.assertTrue(command.startswith("billing: worker"), command)
        self.assertNotIn("secret", command)

    def test_where_process_vm_readv_is_missing_or_forbidden(self):
        process = self.start_waiting(self.interpreter.path, "-u", WAITING)
        folder = self.folder()
        real = harness.truth.BIN
        shutil.copy(real / "snag", folder)
        for error in (ENOSYS, EPERM):
            with self.subTest(os.strerror(error)):
                (folder / "forbidding.py").write_text(FORBIDDING)
                daemon = folder / "snagd"
                daemon.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{folder}/forbidding.py' {error} '{real}/snagd' \"$@\"\n")
                daemon.chmod(0o755)
                self.assert_told(process, binary=folder)
                snag, status = self.run_to_end(folder / "snag", "doctor", process.pid)
                self.assertEqual(status, 0, snag.stderr)

    def test_that_the_filter_forbids(self):
        """The test above means nothing if it does not."""
        program = (
            "import ctypes; libc = ctypes.CDLL(None, use_errno=True); "
            "print(libc.process_vm_readv(1, None, 0, None, 0, 0), ctypes.get_errno())"
        )
        for error in (ENOSYS, EPERM):
            command = [sys.executable, "-c", FORBIDDING, str(error), sys.executable, "-c", program]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            self.assertEqual(told.split(), ["-1", str(error)])


if __name__ == "__main__":
    harness.truth.main("odd_starts")
