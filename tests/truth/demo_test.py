"""The demo shows what it promises, within its time, and leaves nothing behind but the flame graph."""

import os
import subprocess
import time
import xml.etree.ElementTree as xml

import harness.truth
from harness.interpreters import TESTS
from harness.process import processes_with_environment
from harness.truth import BIN, TruthTest

DEMO = TESTS / "demo/demo.py"
LONGEST = 40.0  # seconds
# The service's handlers that block, and in what.
CULPRITS = {
    "shipping_cost()": "requests.get",
    "wait_for_payment()": "time.sleep",
    "monthly_report()": "its own code",
    "read_scanner()": "readline",
}


class Demo(TruthTest):
    def run_demo(self, folder):
        mark = f"SNAG_DEMO_MARK={folder}"
        name, _, value = mark.partition("=")
        demo = subprocess.Popen(
            ["/usr/bin/python3", DEMO, BIN], cwd=folder, env={**os.environ, name: value}, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        return demo, mark

    def test_it_catches_every_blocking_handler_and_no_other(self):
        folder = self.folder()
        began = time.monotonic()
        demo, mark = self.run_demo(folder)
        said, complaints = demo.communicate(timeout=120)
        self.assertEqual(demo.returncode, 0, complaints)
        self.assertLess(time.monotonic() - began, LONGEST)
        summary = [line for line in said.splitlines() if " × " in line]
        for culprit, call in CULPRITS.items():
            lines = [line for line in summary if culprit in line]
            self.assertTrue(lines, f"{culprit} is missing from:\n{said}")
            self.assertIn(call, lines[0])
        for innocent in ("delivery_day()", "announce_pickup()", "count_stock()", "list_products()"):
            self.assertNotIn(innocent, "\n".join(summary))
        self.figure("stalls", sum(int(line.split()[0]) for line in summary))
        self.assertTrue(xml.fromstring((folder / "flamegraph.svg").read_text()).tag.endswith("svg"))
        self.assertEqual([entry.name for entry in folder.iterdir()], ["flamegraph.svg"])
        self.assertEqual(processes_with_environment(mark), [])

    def test_an_interrupt_ends_all_that_it_started(self):
        demo, mark = self.run_demo(self.folder())
        self.assertTrue(demo.stdout.readline().startswith("$ snag"))
        demo.send_signal(2)
        demo.communicate(timeout=30)
        self.assertEqual(demo.returncode, 130)
        self.assertEqual(processes_with_environment(mark), [])


if __name__ == "__main__":
    harness.truth.main("demo")
