"""A recording stops threads for no longer than it says: a look at the kernel's own states meanwhile proves it."""

import time

import harness.truth
from harness.process import PATIENCE, thread_states
from harness.truth import TruthTest

SECONDS = 6
RATE = 1000
BUDGET = 0.005  # of the duration, that `auto` may stop the target for
LONGEST_STOP = 1.0  # seconds; an orderly stop takes microseconds, the rest is what a busy machine adds
LOOK_EVERY = 0.001
LONGEST_WAIT = 2e9  # ns; the target's blocks are planned for half a second at most


class Stops(TruthTest):
    def watch_recording(self, target, consistency):
        """(the longest time for which a thread was seen to stay stopped, the summary)."""
        snag = self.start(
            "snag", "record", target.pid, "-r", RATE, "-d", f"{SECONDS}s", "-o", "/dev/null", "--format", "folded",
            "--consistency", consistency, "--json",
        )  # fmt: skip
        since, longest = {}, 0.0
        deadline = time.monotonic() + SECONDS + PATIENCE
        while snag.process.poll() is None and time.monotonic() < deadline:
            now = time.monotonic()
            stopped = {tid for tid, state in thread_states(target.pid).items() if state in "tT"}
            since = {tid: since.get(tid, now) for tid in stopped}
            longest = max([longest] + [now - begin for begin in since.values()])
            time.sleep(LOOK_EVERY)
        self.assertEqual(snag.finish(), 0, snag.stderr)
        return longest, snag.objects("summary")[-1]

    def assert_hardly_stopped(self, target, consistency):
        longest, summary = self.watch_recording(target, consistency)
        self.figure(f"longest stop, {consistency}", f"< {max(longest, LOOK_EVERY) * 1e3:.0f} ms")
        self.assertLess(longest, LONGEST_STOP, f"a thread stayed stopped; {summary}")
        return summary

    def test_threads_that_sleep_wake_and_block_are_let_go(self):
        """Reads of pipes and sockets, sleeps, children: system calls that a stop interrupts, and that must go on."""
        for consistency in ("auto", "always"):
            with self.subTest(consistency):
                target = self.start_target("stalls.py", "--seconds", SECONDS)
                target.tell("go")
                self.assert_hardly_stopped(target, consistency)
                target.wait_for("measured")
                target.tell("end")
                self.assertEqual(target.finish(), 0, target.stderr)
                # Those that compute may only have got no CPU; a sleep or a read ends when it ends.
                waits = [block for block in target.objects("block") if not block["kind"].startswith("cpu")]
                self.assertFalse([block for block in waits if block["end"] - block["start"] > LONGEST_WAIT])

    def test_a_fast_caller_is_stopped_within_the_budget(self):
        summary = self.assert_hardly_stopped(self.start_target("fast_caller.py"), "auto")
        stopped, longest, duration = (
            float(summary.get(field, "0s")[:-1]) for field in ("targetStopped", "longestStop", "duration")
        )
        self.figure("stopped, auto", f"{stopped / duration:.3%}")
        self.assertGreater(stopped, 0, summary)
        # A stop is begun within the budget only; the machine decides when the last one ends.
        self.assertLessEqual(stopped, duration * BUDGET + longest, summary)


if __name__ == "__main__":
    harness.truth.main("stops")
