"""What is no CPython that Snag reads is told apart at once, in one sentence that says what it is."""

import os
import shutil
from pathlib import Path

import harness.truth
from harness.process import Speaker, wait_until
from odd_process import FAILED, WAITING, OddTest, waits_for_input

PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
WAIT_IN_PYTHON_2 = "import sys; sys.stdout.write('{\"ready\": {}}\\n'); sys.stdout.flush(); sys.stdin.readline()"


class OtherPrograms(OddTest):
    def start_reader(self, *command):
        """A program that waits for its standard input."""
        program = shutil.which(command[0])
        if program is None:
            self.skipTest(f"there is no {command[0]} here")
        process = Speaker([program, *command[1:]])
        self.addCleanup(process.close)
        return process

    def assert_refused(self, process, sentence, status=4):
        self.assertRegex(self.refusal(process.pid, status), f"^snag: pid {process.pid}: [^\n]*{sentence}")

    def test_pypy(self):
        process = self.start_reader("pypy3", "-c", WAIT_IN_PYTHON_2)
        process.wait_for("ready")
        self.assert_refused(process, r"it is PyPy 3\.\d+, which Snag does not read")

    def test_a_go_program(self):
        process = self.start_reader("gron")
        self.assertTrue(wait_until(lambda: waits_for_input(process.pid) or len(os.listdir(f"/proc/{process.pid}/task")) > 1))
        self.assert_refused(process, "it is a Go program")

    def test_node(self):
        process = self.start_reader("node", "-e", "console.log(JSON.stringify({ready: {}})); process.stdin.resume()")
        process.wait_for("ready")
        self.assert_refused(process, "it is a Node.js program")

    def test_perl(self):
        process = self.start_reader("perl", "-e", "<>")
        self.assertTrue(wait_until(lambda: waits_for_input(process.pid)))
        self.assert_refused(process, "it is a Perl program")

    def test_a_shell_without_children(self):
        process = self.start_reader("sh", "-c", "read word")
        self.assertTrue(wait_until(lambda: waits_for_input(process.pid)))
        self.assert_refused(process, "it is a shell\n")

    def test_a_program_in_c(self):
        process = self.start_reader("cat")
        self.assertTrue(wait_until(lambda: waits_for_input(process.pid)))
        self.assert_refused(process, "not a CPython process: none of its files has a Python runtime\n")

    def test_micropython(self):
        process = self.start_reader("micropython", "-c", "input()")
        self.assertTrue(wait_until(lambda: waits_for_input(process.pid)))
        self.assert_refused(process, "it is MicroPython, not CPython")

    def test_cpython_before_3_7(self):
        for version in ("2.7", "3.6"):
            with self.subTest(version):
                found = sorted(PYENV.glob(f"versions/{version}.*/bin/python"))
                if not found:
                    self.skipTest(f"there is no CPython {version} below {PYENV}")
                process = self.start_reader(str(found[0]), "-c", WAIT_IN_PYTHON_2)
                process.wait_for("ready")
                self.assert_refused(process, rf"CPython {version} is not supported; 3\.\d+ to 3\.\d+ are", FAILED)

    def test_a_wrapper_script_names_the_python_below_it(self):
        script = self.folder() / "start.sh"
        script.write_text(f"#!/bin/sh\n'{self.interpreter.path}' -u '{WAITING}'\nexit $?\n")
        script.chmod(0o755)
        process = self.start_waiting(script)
        child = process.first_words["pid"]
        self.assertNotEqual(child, process.pid)
        version = process.first_words["version"].rpartition(".")[0].replace(".", r"\.")
        self.assert_refused(process, rf"it is a shell; of the processes below it, {child} is CPython {version}.* \(")
        self.assert_told(process, pid=child)
        process.tell("go on")
        self.assertEqual(process.finish(), 0, process.stderr)


if __name__ == "__main__":
    harness.truth.main("other_programs")
