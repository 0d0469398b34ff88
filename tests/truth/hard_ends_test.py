"""Whoever ends in the middle of it, and however: what was gathered is there, nothing stays behind, the target lives on."""

import os
import random
import signal
import time

import harness.truth
from harness.process import state_of, thread_states, wait_until
from harness.truth import FULL, TruthTest
from legal_stacks import parse_folded

DONE, FAILED, INTERRUPTED = 0, 1, 130
# Nothing outside tells that a recording has taken samples: this long into it, some have been.
INTO_THE_RECORDING = 1.0  # seconds
KILLS = 60 if FULL else 8


class HardEnds(TruthTest):
    def watch(self, target):
        snag = self.start("snag", "stalls", target.pid, "--threshold", "50ms", "--json")
        snag.wait_for("stall")
        return snag

    def record(self, target, *options):
        path = self.folder() / "profile.folded"
        snag = self.start("snag", "record", target.pid, "-r", "500", "-o", path, "--format", "folded", *options)
        time.sleep(INTO_THE_RECORDING)
        return snag, path

    def assert_ended(self, snag, status, *expected):
        self.assertIn(status, expected, f"{snag}: {snag.stderr!r}")
        self.assert_nothing_behind(snag)

    def assert_recorded(self, path):
        self.assertGreater(sum(stack.count for stack in parse_folded(path.read_text())), 0, "nothing was written")

    def assert_says_that_the_target_ended(self, snag):
        self.assertIn(snag.finish(), (DONE,), snag.stderr)
        self.assertTrue(snag.objects("summary")[-1].get("endedBecause"), "the summary does not say why it ended")
        self.assert_nothing_behind(snag)

    # ---- the target ------------------------------------------------------------------------------------------------

    def test_a_target_that_exits(self):
        target = self.start_target("counter.py")
        watching, (recording, path) = self.watch(target), self.record(target)
        target.tell("exit")
        target.process.wait()
        self.assert_says_that_the_target_ended(watching)
        self.assert_ended(recording, recording.finish(), DONE)
        self.assert_recorded(path)

    def test_a_target_that_is_killed_and_stays_a_zombie(self):
        target = self.start_target("counter.py")
        watching, (recording, path) = self.watch(target), self.record(target)
        target.signal(signal.SIGKILL)
        os.waitid(os.P_PID, target.pid, os.WEXITED | os.WNOWAIT)
        self.assert_says_that_the_target_ended(watching)
        self.assert_ended(recording, recording.finish(), DONE)
        self.assert_recorded(path)

    def test_a_target_that_becomes_another_program(self):
        target = self.start_target("counter.py")
        watching, (recording, path) = self.watch(target), self.record(target)
        target.tell("exec")
        self.assert_says_that_the_target_ended(watching)
        self.assert_ended(recording, recording.finish(), DONE)
        self.assert_recorded(path)
        self.assertIn(state_of(target.pid), ("R", "S"))

    def test_one_target_of_two_ends(self):
        first, second = self.start_target("counter.py"), self.start_target("counter.py")
        snag = self.start("snag", "stalls", first.pid, second.pid, "--threshold", "50ms", "--json")
        for target in (first, second):
            snag.wait_for("stall", lambda stall, pid=target.pid: stall["pid"] == pid)
        first.tell("exit")
        first.process.wait()
        seen = len(snag.lines)
        self.assertTrue(wait_until(lambda: len(snag.lines) > seen + 2), "the other one is no longer watched")
        snag.signal(signal.SIGINT)
        self.assert_ended(snag, snag.finish(), INTERRUPTED)
        self.assert_unharmed(second)

    def test_a_stopped_target_is_told_and_stays_stopped(self):
        target = self.start_target("counter.py")
        target.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, target.pid, os.WSTOPPED | os.WNOWAIT)
        stalls, status = self.run_to_end("snag", "stalls", target.pid, "--duration", "2s", "--json")
        self.assert_ended(stalls, status, DONE)
        self.assertIn("stopped", (stalls.stderr + "".join(stalls.lines)).lower())
        dump, status = self.run_to_end("snag", "dump", target.pid, "--json")
        self.assert_ended(dump, status, DONE)
        self.assertEqual({thread["state"] for thread in dump.objects("thread")}, {"T"})
        for consistency in ("auto", "never", "always"):
            record, status = self.run_to_end(
                "snag", "record", target.pid, "-d", "1s", "-o", os.devnull, "--consistency", consistency
            )
            self.assert_ended(record, status, DONE)
        self.assertEqual(state_of(target.pid), "T", "it was not left as it was found")
        target.signal(signal.SIGCONT)
        self.assert_unharmed(target)

    # ---- snag ------------------------------------------------------------------------------------------------------

    def test_an_interrupt(self):
        self.assert_written_after(signal.SIGINT)

    def test_a_termination(self):
        self.assert_written_after(signal.SIGTERM)

    def assert_written_after(self, number):
        target = self.start_target("counter.py")
        watching, (recording, path) = self.watch(target), self.record(target)
        for snag in (watching, recording):
            snag.signal(number)
            self.assert_ended(snag, snag.finish(), INTERRUPTED)
        self.assertEqual(len(watching.objects("summary")), 1)
        self.assert_recorded(path)
        self.assert_unharmed(target)

    def test_snag_killed_at_any_moment(self):
        self.kill_at_any_moment(lambda snag: snag.pid, expected=-signal.SIGKILL)

    def test_its_daemon_killed_at_any_moment(self):
        self.kill_at_any_moment(lambda snag: wait_until(snag.family)[0], expected=FAILED)

    def kill_at_any_moment(self, victim_of, expected):
        target = self.start_target("counter.py")
        moments = random.Random(7)
        for _ in range(KILLS):
            snag = self.start(
                "snag", "record", target.pid, "-r", "2000", "-o", os.devnull, "--format", "folded", "--consistency", "always"
            )
            victim = victim_of(snag)
            time.sleep(moments.uniform(0, 0.5))  # the moment is what is tested
            os.kill(victim, signal.SIGKILL)
            self.assertEqual(snag.finish(), expected, snag.stderr)
            self.assert_nothing_behind(snag)
            self.assertFalse({"t", "T"} & set(thread_states(target.pid).values()), "a thread was left stopped")
            self.assert_unharmed(target)
        self.figures["kills"] = str(int(self.figures.get("kills", 0)) + KILLS)


if __name__ == "__main__":
    harness.truth.main("hard_ends")
