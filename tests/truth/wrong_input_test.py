"""What cannot be done is refused with one sentence and the right exit status, and before anything else happens.

None of this depends on the interpreter: it runs on one.
"""

import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

import harness.truth
from harness.truth import BIN, TruthTest

DONE, FAILED, USAGE, NOT_PERMITTED, NO_SUCH_PROCESS = 0, 1, 2, 3, 4
NOBODY = 65534
MOST_LINES = 2  # of a refusal: the sentence, and its remedy on a line of its own
LONGEST_REFUSAL = 5.0  # seconds
# What a crash or an unthinking program would print.
NO_SENTENCES = ("terminate called", "what():", "Assertion", "Sanitizer", "std::", "boost::", "errno")


def looking_at(pid):
    """Every command that takes a pid."""
    return (
        ("stalls", pid, "--threshold", "50ms"),
        ("dump", pid),
        ("record", pid, "-d", "10s", "-o", os.devnull, "--format", "folded"),
    )


class Refusals(TruthTest):
    def assert_refused(self, expected, *command, says=(), **options):
        snag = self.start("snag", *command, **options)
        began = time.monotonic()
        status = snag.finish()
        self.assertLess(time.monotonic() - began, LONGEST_REFUSAL, "refused late")
        self.assertEqual(status, expected, f"{snag}: {snag.stderr!r}")
        lines = [line for line in snag.stderr.splitlines() if line.strip()]
        self.assertTrue(1 <= len(lines) <= MOST_LINES, f"{snag}: not one sentence: {snag.stderr!r}")
        self.assertGreaterEqual(len(lines[0].split()), 4, f"{snag}: no sentence: {snag.stderr!r}")
        for fragment in NO_SENTENCES:
            self.assertNotIn(fragment, snag.stderr)
        for word in says:
            self.assertIn(str(word), snag.stderr)
        self.assertEqual(snag.lines, [], "something on stdout")
        self.assert_nothing_behind(snag)
        self.figures["refusals"] = str(int(self.figures.get("refusals", 0)) + 1)

    def assert_all_refuse(self, expected, pid, **options):
        for command in looking_at(pid):
            with self.subTest(command[0]):
                self.assert_refused(expected, *command, **options)

    # ---- whom ------------------------------------------------------------------------------------------------------

    def test_a_pid_that_is_no_more(self):
        ended = subprocess.Popen(["true"])
        ended.wait()
        self.assert_all_refuse(NO_SUCH_PROCESS, ended.pid, says=[ended.pid])

    def test_pid_zero(self):
        self.assert_all_refuse(USAGE, "0")

    def test_a_negative_pid(self):
        for command in (("stalls", "--pid", "-5"), ("dump", "-p", "-5"), ("record", "-p-5", "-d", "1s")):
            with self.subTest(command[0]):
                self.assert_refused(USAGE, *command)

    def test_a_word_for_a_pid(self):
        self.assert_all_refuse(USAGE, "uvicorn", says=["uvicorn"])

    def test_a_pid_beyond_all_numbers(self):
        self.assert_all_refuse(USAGE, "99999999999999999999")

    def test_a_pid_with_a_tail(self):
        self.assert_all_refuse(USAGE, "1x")

    def test_no_pid_at_all(self):
        for command in ("stalls", "dump", "record"):
            with self.subTest(command):
                self.assert_refused(USAGE, command)

    def test_a_program_that_is_not_python(self):
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.assert_all_refuse(NO_SUCH_PROCESS, other.pid, says=[other.pid, "Python"])

    def test_a_kernel_thread(self):
        if not Path("/proc/2/comm").exists() or Path("/proc/2/comm").read_text().strip() != "kthreadd":
            self.skipTest("no kernel thread is visible here")
        self.assert_all_refuse(NO_SUCH_PROCESS, 2)

    def test_a_zombie(self):
        zombie = subprocess.Popen(["true"])
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        self.addCleanup(zombie.wait)
        self.assert_all_refuse(NO_SUCH_PROCESS, zombie.pid)

    @unittest.skipUnless(os.geteuid() == 0, "only root can play two users")
    def test_somebody_elses_process(self):
        target = self.start_target("counter.py")
        for command in looking_at(target.pid):
            with self.subTest(command[0]):
                self.assert_refused(
                    NOT_PERMITTED, *command, says=[target.pid], user=NOBODY, group=NOBODY, extra_groups=[],
                    executable=self.snag_for_everybody(), cwd="/",
                )  # fmt: skip
        self.assert_unharmed(target)

    def snag_for_everybody(self):
        """Copies of the programs where any user may reach them."""
        folder = self.folder()
        folder.chmod(0o755)
        for name in ("snag", "snagd"):
            shutil.copy(BIN / name, folder / name)
        return folder / "snag"

    # ---- with what -------------------------------------------------------------------------------------------------

    def test_a_threshold_that_is_none(self):
        target = self.start_target("counter.py")
        for threshold in ("0", "0ms", "-5ms", "soon", "", "5", "5parsecs", "nan", "inf", "1e99h", "99999999h", "1ns"):
            with self.subTest(threshold):
                self.assert_refused(USAGE, "stalls", target.pid, f"--threshold={threshold}")
        self.assert_unharmed(target)

    def test_a_rate_that_is_none(self):
        for rate in ("0", "-1", "fast", "nan", "inf", "1e9", ""):
            with self.subTest(rate):
                self.assert_refused(USAGE, "record", os.getpid(), f"--rate={rate}")

    def test_a_duration_that_is_none(self):
        for duration in ("0", "-1", "while", "nan", "inf", "1e99", ""):
            with self.subTest(duration):
                self.assert_refused(USAGE, "record", os.getpid(), f"--duration={duration}")

    def test_a_format_and_a_mode_that_are_none(self):
        self.assert_refused(USAGE, "record", os.getpid(), "--format", "pie")
        self.assert_refused(USAGE, "record", os.getpid(), "--mode", "dreams")
        self.assert_refused(USAGE, "record", os.getpid(), "--consistency", "sometimes")

    def test_a_command_and_an_option_that_are_none(self):
        self.assert_refused(USAGE, "frobnicate")
        self.assert_refused(USAGE, "stalls", os.getpid(), "--frobnicate")

    # ---- whereto ---------------------------------------------------------------------------------------------------

    def test_an_output_that_cannot_be_written_is_said_before_sampling(self):
        target = self.start_target("counter.py")
        folder = self.folder()
        for path in (folder, folder / "nowhere/profile.svg", Path("/proc/profile.svg")):
            with self.subTest(path=path.name):
                self.assert_refused(FAILED, "record", target.pid, "-d", "20s", "-o", path, says=[path])
        self.assert_unharmed(target)

    def test_a_full_disk(self):
        target = self.start_target("counter.py")
        snag, status = self.run_to_end("snag", "record", target.pid, "-d", "1s", "-o", "/dev/full")
        self.assertEqual(status, FAILED, snag.stderr)
        self.assertIn("No space left", snag.stderr)
        self.assert_nothing_behind(snag)
        self.assert_unharmed(target)

    def test_standard_output_on_a_full_disk(self):
        target = self.start_target("counter.py")
        for command in (("stalls", target.pid, "--threshold", "50ms", "--duration", "20s", "--json"), ("dump", target.pid)):
            with self.subTest(command[0]), open("/dev/full", "w") as full:
                snag, status = self.run_to_end("snag", *command, stdout=full)
                self.assertEqual(status, FAILED, snag.stderr)
                self.assert_nothing_behind(snag)
        self.assert_unharmed(target)

    def test_a_socket_where_no_daemon_listens(self):
        path = self.folder() / "snagd.sock"
        self.assert_refused(FAILED, "ps", "--socket", path, says=[path])

    def test_a_reader_of_its_output_that_goes_away(self):
        target = self.start_target("counter.py")
        reading, writing = os.pipe()
        snag = self.start("snag", "stalls", target.pid, "--threshold", "50ms", "--json", stdout=writing)
        os.close(writing)
        self.assertTrue(os.read(reading, 1), "it never wrote")
        os.close(reading)
        status = snag.finish()
        self.assertIn(status, (DONE, FAILED, 128 + signal.SIGPIPE, -signal.SIGPIPE), snag.stderr)
        self.assert_nothing_behind(snag)
        self.assert_unharmed(target)


if __name__ == "__main__":
    harness.truth.main("wrong_input")
