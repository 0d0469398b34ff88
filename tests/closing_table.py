"""What `./run test` ends with: one table of what was shown on which interpreter, the longer tests' figures, and one line of sums.

usage: closing_table.py RESULTS JUNIT...   RESULTS: a folder of the truth tests' figures; JUNIT: ctest's own reports.
The last line reads `N passed, N failed, N skipped`; the exit status is 1 when anything failed or nothing ran.
"""

import json
import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "truth"))

from harness.interpreters import ENTRIES, ROWS  # noqa: E402

# A column of the table, and the test of matrix_test.py that it tells of.
COLUMNS = {"attach": "test_attach", "stacks": "test_stacks", "stalls": "test_stalls", "tasks": "test_tasks", "lines": "test_lines"}
WIDTH = 150  # of a line of figures


def read_results(folder):
    return [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]


class Notes:
    """Reasons, each told once below the table, where it has more room than in a cell."""

    def __init__(self):
        self._numbers = {}

    def number(self, reason):
        return self._numbers.setdefault(reason, len(self._numbers) + 1)

    def lines(self):
        return [f"[{number}] {reason}" for reason, number in self._numbers.items()]


def cell(result, test, notes):
    if result is None:
        return f"skipped [{notes.number('not run')}]"
    if result["outcome"] == "skipped":
        return f"skipped [{notes.number(result['reason'])}]"
    outcome = result["outcomes"].get(test, "failed")
    name, _, reason = outcome.partition(": ")
    refused = result["figures"].get("refused")
    if refused:
        return f"refused [{notes.number(f'{name}: Snag must refuse it, and says: {refused}')}]" if test == COLUMNS["attach"] else name
    return f"{name} [{notes.number(reason)}]" if reason else name


def aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


def matrix(results):
    """The table's lines: a row for each interpreter and way, in the order of the harness's list, whatever has run."""
    told = {(r["interpreter"], r["way"]): r for r in results if r["test"] == "matrix"}
    notes = Notes()
    rows = [["interpreter", "version", "build", "run as", *COLUMNS]]
    for name, way in ROWS:
        result = told.get((name, way))
        facts = [result["version"] or "-", result["build"] or "-"] if result else ["-", "-"]
        rows.append([name, *facts, way, *(cell(result, test, notes) for test in COLUMNS.values())])
    return aligned(rows) + notes.lines()


def figures(results):
    """A line for each of the longer tests that says the same of several interpreters."""
    order = [entry.name for entry in ENTRIES]
    told = {}
    for result in sorted((r for r in results if r["test"] != "matrix"), key=lambda r: (r["test"], order.index(r["interpreter"]))):
        values = ", ".join(f"{name} {value}" for name, value in result["figures"].items())
        outcome = result["outcome"] + (f": {result['reason']}" if result["reason"] else "")
        told.setdefault((result["test"], outcome, values), []).append(result["interpreter"])
    rows = [[test.replace("_", " "), " ".join(names), outcome, values] for (test, outcome, values), names in told.items()]
    return [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in aligned(rows)] if rows else []


def count(junit_files):
    """(passed, failed, skipped) over ctest's reports, and the names of what failed."""
    counts, failed = Counter(), []
    for path in junit_files:
        for case in xml.parse(path).getroot().iter("testcase"):
            status = "skipped" if case.find("skipped") is not None else case.get("status")
            outcome = {"run": "passed", "skipped": "skipped", "notrun": "skipped", "disabled": "skipped"}.get(status, "failed")
            counts[outcome] += 1
            if outcome == "failed":
                failed.append(f"{Path(path).stem}: {case.get('name')}")
    return counts, failed


def main(folder, *junit_files):
    results = read_results(folder)
    print("\n".join([*figures(results), "", *matrix(results)]))
    counts, failed = count(junit_files)
    for name in failed:
        print(f"failed: {name}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
