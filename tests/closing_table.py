"""What `./run test` ends with: the truth tests' figures by interpreter, what was skipped and why, and one line of sums.

usage: closing_table.py RESULTS JUNIT...   RESULTS: a folder of the truth tests' figures; JUNIT: ctest's own reports.
The last line reads `N passed, N failed, N skipped`; the exit status is 1 when anything failed or nothing ran.
"""

import json
import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

INTERPRETERS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "debian")
TESTS = ("stalls", "attach", "stacks", "rate", "read_only", "hard_ends", "stops", "subprocesses", "wrong_input", "server", "commands", "demo",
         "flamegraph_browser", "targets")
COLUMNS_A_TABLE = 7  # so that it fits a terminal


def read_results(folder):
    """{(test, interpreter): result}"""
    results = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    return {(result["test"], result["interpreter"]): result for result in results}


def cell(result):
    """The lines of one cell: the outcome, then its figures."""
    if result is None:
        return ["-"]
    return [result["outcome"]] + [f"{name} {value}" for name, value in result["figures"].items()]


def head(interpreter, results):
    version = next((r["version"] for (_, name), r in results.items() if name == interpreter and r["version"]), "")
    return [interpreter] + ([version] if version and version != interpreter else [])


def table(results, tests):
    rows = [[["Python"]] + [[test.replace("_", " ")] for test in tests]]
    for interpreter in INTERPRETERS:
        rows.append([head(interpreter, results)] + [cell(results.get((test, interpreter))) for test in tests])
    widths = [max(len(line) for row in rows for line in row[column]) for column in range(len(tests) + 1)]
    lines = []
    for row in rows:
        for index in range(max(len(lines_of_cell) for lines_of_cell in row)):
            texts = [lines_of_cell[index] if index < len(lines_of_cell) else "" for lines_of_cell in row]
            lines.append("  ".join(text.ljust(width) for text, width in zip(texts, widths)).rstrip())
        lines.append("")
    return lines


def skipped_interpreters(results):
    reasons = {name: r["reason"] for (_, name), r in results.items() if r["outcome"] == "skipped"}
    return [f"{name}: not tested, {reasons[name]}" for name in INTERPRETERS if name in reasons]


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
    for first in range(0, len(TESTS), COLUMNS_A_TABLE):
        print("\n".join(table(results, TESTS[first : first + COLUMNS_A_TABLE])))
    for line in skipped_interpreters(results):
        print(line)
    counts, failed = count(junit_files)
    for name in failed:
        print(f"failed: {name}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
