"""What the other commands tell of a target is what the target knows of itself."""

import json
import xml.etree.ElementTree as xml

import harness.truth
from harness.truth import TruthTest
from legal_stacks import parse_folded

SECONDS = 1
RATE = 200


class Commands(TruthTest):
    def ask(self, kind, *command):
        snag, status = self.run_to_end("snag", *command, "--json")
        self.assertEqual(status, 0, snag.stderr)
        self.assert_nothing_behind(snag)
        return snag.objects(kind)

    def record(self, target, extension, *options):
        path = self.folder() / f"profile.{extension}"
        snag, status = self.run_to_end(
            "snag", "record", target.pid, "-d", f"{SECONDS}s", "-r", RATE, "-o", path, *options
        )
        self.assertEqual(status, 0, snag.stderr)
        return path.read_text()

    def test_ps_knows_the_process_and_its_version(self):
        target = self.start_target("counter.py")
        process = next(entry for entry in self.ask("process", "ps") if entry["pid"] == target.pid)
        # Before 3.11 the exact version is no exported symbol; the minor version must be right in any case.
        version, minor = self.interpreter.version, self.interpreter.version.rpartition(".")[0]
        self.assertIn(process["version"], (version, minor) if minor in ("3.8", "3.9", "3.10") else (version,))
        self.assertEqual(process["implementation"], "CPython")
        self.assertTrue(process["attachable"], process)

    def test_doctor_finds_nothing_missing(self):
        target = self.start_target("counter.py")
        (diagnosis,) = self.ask("diagnosis", "doctor", target.pid)
        self.assertTrue(diagnosis["attachable"], diagnosis)

    def test_dump_shows_both_threads_and_the_depth_of_the_busy_one(self):
        target = self.start_target("busy.py")
        threads = {thread["tid"]: thread for thread in self.ask("thread", "dump", target.pid)}
        self.assertEqual(len(threads), 2)
        stack = [frame for frame in threads[target.pid]["stack"] if frame["kind"] == "PYTHON"]
        self.assertEqual([frame["function"] for frame in stack],
                         ["spin"] + ["descend"] * (target.first_words["depth"] - 3) + ["main", "<module>"])  # fmt: skip
        self.assertTrue(threads[target.pid]["complete"])
        self.assertEqual(threads[target.pid]["state"], "R")
        (ears,) = (thread for tid, thread in threads.items() if tid != target.pid)
        self.assertIn("hear", [frame["function"] for frame in ears["stack"]])

    def test_the_three_formats_tell_of_the_same_function(self):
        target = self.start_target("busy.py")
        folded = parse_folded(self.record(target, "folded", "--format", "folded"))
        samples = sum(stack.count for stack in folded if stack.frames and stack.frames[-1][0] == "spin")
        # How many of those asked for were late is the machine's; tests/bench measures it.
        self.assertGreater(samples, SECONDS * RATE / 10)
        self.assertLessEqual(samples, SECONDS * RATE * 1.2)
        picture = self.record(target, "svg", "--format", "flamegraph")
        self.assertTrue(xml.fromstring(picture).tag.endswith("svg"))
        self.assertIn("descend", picture)
        profile = json.loads(self.record(target, "json", "--format", "speedscope"))
        self.assertIn("spin", {frame["name"].split(" ")[0] for frame in profile["shared"]["frames"]})
        for entry in profile["profiles"]:
            self.assertEqual(len(entry["samples"]), len(entry["weights"]))

    def test_record_starts_a_program_and_ends_with_it(self):
        path = self.folder() / "profile.folded"
        program = "import time\ndef work():\n  end = time.time() + 1.5\n  while time.time() < end: pass\nwork()"
        snag, status = self.run_to_end(
            "snag", "record", "-r", RATE, "-o", path, "--format", "folded", "--", self.interpreter.path, "-c", program
        )
        self.assertEqual(status, 0, snag.stderr)
        functions = [function for stack in parse_folded(path.read_text()) for function, _, _ in stack.frames]
        self.assertIn("work", functions)
        self.assert_nothing_behind(snag)


if __name__ == "__main__":
    harness.truth.main("commands")
