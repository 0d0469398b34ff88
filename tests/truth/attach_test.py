"""A stall that began before Snag attached is reported with its true start, while it goes on and when it ends."""

import time

import harness.truth
from harness.truth import TruthTest
from stall_matching import MS, Report

BEGAN_BEFORE = 3.0  # seconds
START_ERROR = 2 * MS
FIRST_REPORT_WITHIN = 2.0  # seconds after the start of snag: it is reported while it goes on


class AttachIntoAStall(TruthTest):
    def attach_into(self, *arguments):
        """(what the target knows, the first report, the report of the end)."""
        target = self.start_target("stall_at_start.py", "--seconds", 6, *arguments)
        block = target.wait_for("blocking")
        # The age of the stall at the attach is what is tested: there is no event to wait for, only time.
        time.sleep(max(0.0, BEGAN_BEFORE - (time.monotonic_ns() - block["start"]) / 1e9))
        snag = self.start("snag", "stalls", target.pid, "--threshold", "50ms", "--ongoing", "--json")
        attached = time.monotonic()
        ongoing = snag.wait_for("stall")
        self.assertLess(time.monotonic() - attached, FIRST_REPORT_WITHIN, "reported late")
        ended = snag.wait_for("stall", lambda stall: not stall.get("ongoing"))
        block["end"] = target.wait_for("blocked")["end"]
        snag.signal(2)
        self.assertEqual(snag.finish(), 130, snag.stderr)
        return block, Report(ongoing), Report(ended)

    def assert_told_as_one(self, ongoing, ended):
        self.assertTrue(ongoing.json.get("ongoing"), "the first report is not of a stall that goes on")
        self.assertEqual(ongoing.json["id"], ended.json["id"])
        for report in (ongoing, ended):
            self.assertTrue(report.json.get("beganBeforeAttach"), "beganBeforeAttach is not set")

    def test_a_ticks_first_callback_keeps_its_exact_start(self):
        block, ongoing, ended = self.attach_into()
        self.assert_told_as_one(ongoing, ended)
        error = max(abs(report.start - block["start"]) for report in (ongoing, ended))
        self.figure("start", f"≤ {error / 1e6:.2f} ms")
        self.assertLessEqual(error, START_ERROR)
        self.assertAlmostEqual(ended.duration / 1e6, (block["end"] - block["start"]) / 1e6, delta=12)
        self.assertEqual(ended.culprit["function"], block["function"])
        self.assertIn(ended.culprit["line"], block["lines"])
        self.assertEqual(ended.json["task"]["name"], "first-order")

    def test_a_later_callback_admits_how_little_is_known_of_its_start(self):
        block, ongoing, ended = self.attach_into("--later", "--kind", "cpu")
        self.assert_told_as_one(ongoing, ended)
        for report in (ongoing, ended):
            self.assertLessEqual(abs(report.start - block["start"]), report.uncertainty + START_ERROR)
        self.assertEqual(ended.culprit["function"], block["function"])


if __name__ == "__main__":
    harness.truth.main("attach")
