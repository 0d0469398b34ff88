"""Every stall of a loop that blocks at random is reported, once, with its culprit and its times, and nothing else is."""

import json
import time
from datetime import datetime

import harness.truth
from harness.truth import FULL, TruthTest
from stall_matching import (
    DURATION_ERROR_99,
    DURATION_ERROR_MEDIAN,
    FIRST_START_ERROR,
    MUST_REPORT,
    Block,
    Report,
    judge,
    median,
    percentile,
)
from stall_watching import watch

SECONDS, COUNT = (120, 1000) if FULL else (60, 1000)
SEED = 20
WALL_CLOCK_ERROR = 0.050  # seconds; the wall clock is read twice, here and by Snag, and may be slewed meanwhile


def listing(entries):
    """At most a dozen, so that a failure can be read."""
    lines = [" / ".join(str(part) for part in entry) if isinstance(entry, tuple) else str(entry) for entry in entries]
    return f"{len(lines)}:\n  " + "\n  ".join(lines[:12])


class StallsOfALoop(TruthTest):
    @classmethod
    def setUpClass(cls):
        plan = ("--seed", SEED, "--seconds", SECONDS, "--count", COUNT)
        cls.target, cls.snag, cls.status = watch(cls.interpreter, cls.addClassCleanup, *plan, patience=SECONDS + 60)
        cls.blocks = [Block(**block) for block in cls.target.objects("block")]
        cls.reports = [Report(stall) for stall in cls.snag.objects("stall")]
        cls.verdict = judge(cls.blocks, cls.reports)
        due = [block for block in cls.blocks if block.measured and block.duration >= MUST_REPORT]
        cls.figures["reported"] = f"{len(due) - len(cls.verdict.missed)} of {len(due)}"

    def assert_none(self, what, entries):
        if entries:
            self.fail(f"{what} {listing(entries)}")

    def test_every_stall_of_60_ms_is_reported(self):
        self.assert_none("missed", self.verdict.missed)

    def test_no_stall_under_the_threshold_is_reported(self):
        self.assert_none("too short", self.verdict.too_short)

    def test_no_stall_is_reported_twice(self):
        self.assert_none("twice", self.verdict.twice)
        ids = [report.json["id"] for report in self.reports]
        self.assertEqual(len(ids), len(set(ids)), "an id is used twice")

    def test_no_stall_is_invented(self):
        self.assert_none("invented", self.verdict.invented)

    def test_a_ticks_first_callback_starts_when_it_starts(self):
        errors = self.verdict.first_start_errors()
        self.figure("start", f"≤ {max(errors) / 1e6:.2f} ms")
        if self.verdict.preempted():
            self.figure("preempted", len(self.verdict.preempted()))
        far = [(b, r) for b, r in self.verdict.pairs
               if b.index == 0 and not b.preempted and abs(r.start - b.start) > FIRST_START_ERROR]  # fmt: skip
        self.assert_none("start is off", far)

    def test_durations_are_right(self):
        errors = self.verdict.duration_errors()
        self.figure("duration 50/99 %", f"{median(errors) / 1e6:.2f}/{percentile(errors, 0.99) / 1e6:.2f} ms")
        worst = sorted(self.verdict.pairs, key=lambda pair: -abs(pair[1].duration - pair[0].duration))
        self.assertLessEqual(median(errors), DURATION_ERROR_MEDIAN, listing(worst))
        self.assertLessEqual(percentile(errors, 0.99), DURATION_ERROR_99, listing(worst))

    def test_uncertainty_covers_the_errors(self):
        later = self.verdict.later_start_errors()
        if later:
            self.figure("later start 99 %", f"{percentile(later, 0.99) / 1e6:.2f} ms")
        beyond = self.verdict.beyond_uncertainty()
        self.figure("beyond uncertainty", f"{len(beyond)} of {len(self.verdict.pairs)}")
        self.assertLessEqual(len(beyond), len(self.verdict.pairs) // 100, "off by more than is admitted " + listing(beyond))

    def test_culprits_are_right(self):
        wrong = self.verdict.wrong_culprits()
        self.figure("culprits", f"{len(self.verdict.pairs) - len(wrong)} of {len(self.verdict.pairs)}")
        self.assert_none("wrong culprit", wrong)

    def test_blocking_calls_are_right(self):
        wrong = self.verdict.wrong_calls()
        self.figure("calls", f"{len(self.verdict.pairs) - len(wrong)} of {len(self.verdict.pairs)}")
        self.assert_none("wrong blocking call", wrong)

    def test_tasks_are_right(self):
        wrong = self.verdict.wrong_tasks()
        self.assert_none("wrong task", [(b, r, json.dumps(r.json.get("task"))) for b, r in wrong])

    def test_the_loop_is_the_main_threads_and_asyncios(self):
        loops = {(r.json["pid"], r.json["loop"]["kind"], r.json["loop"]["tid"]) for r in self.reports}
        self.assertEqual(loops, {(self.target.pid, "ASYNCIO", self.target.first_words["tid"])})

    def test_wall_clock_and_monotonic_start_are_the_same_instant(self):
        offset = time.time() - time.monotonic()
        for _, report in self.verdict.pairs:
            start = datetime.fromisoformat(report.json["start"].rstrip("Z")[:26] + "+00:00")
            self.assertAlmostEqual(start.timestamp(), report.start / 1e9 + offset, delta=WALL_CLOCK_ERROR)

    def test_an_interrupt_ends_it_with_a_summary(self):
        self.assertEqual(self.status, 130, self.snag.stderr)
        self.assertIn("summary", json.loads(self.snag.lines[-1]), "the last line is no summary")
        self.assertEqual(self.snag.leftovers(), [])


if __name__ == "__main__":
    harness.truth.main("stalls")
