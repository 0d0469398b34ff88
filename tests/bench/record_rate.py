"""How steadily `snag record -r 10000` samples one busy thread, twenty frames deep: every run's figures, interpreter by interpreter.

usage: record_rate.py [--bin FOLDER] [--rate N] [--seconds N] [--runs N] [INTERPRETER…]
Exit status 1: on some interpreter more than 2 % of the samples were late in every run. A disturbed run is no verdict.
"""

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "truth"))
MOST_LATE = 0.02  # of the samples that were due
DEFAULT_BIN = HERE.parent.parent / "build/release/bin"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, default=DEFAULT_BIN)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("interpreters", nargs="*", metavar="INTERPRETER")
    return parser.parse_args()


def measure(target, arguments):
    """One run's summary as Snag gives it."""
    from harness.truth import Program

    snag = Program(
        "snag", "record", target.pid, "-r", arguments.rate, "-d", f"{arguments.seconds}s", "-o", os.devnull,
        "--format", "folded", "--json",
    )  # fmt: skip
    try:
        if snag.finish(arguments.seconds + 30) != 0:
            raise SystemExit(snag.stderr)
        return snag.objects("summary")[-1]
    finally:
        snag.close()


def share_late(summary, arguments):
    return int(summary.get("late", 0)) / (arguments.rate * arguments.seconds)


def row(name, summary, arguments):
    counts = {key: int(summary.get(key, 0)) for key in ("whole", "partial", "lost")}
    return (
        f"{name:15} {summary.get('achievedRate', 0):9.0f}/s  late {share_late(summary, arguments):7.2%}  whole {counts['whole']:8}  "
        f"partial {counts['partial']:6}  lost {counts['lost']:6}  daemon's CPU {summary.get('samplerCpu', '?')}  "
        f"target stopped {summary.get('targetStopped', '0s')}"
    )


def main():
    arguments = parse_arguments()
    os.environ["SNAG_BIN"] = str(arguments.bin)  # the harness reads it when it is imported
    from harness.interpreters import NAMES, Interpreter
    from harness.truth import Target

    too_late = []
    for name in arguments.interpreters or NAMES:
        interpreter = Interpreter(name)
        if interpreter.path is None:
            print(f"{name:15} skipped: {interpreter.reason}")
            continue
        target = Target(interpreter, "busy.py")
        try:
            summaries = []
            for _ in range(arguments.runs):
                summaries.append(measure(target, arguments))
                print(row(name, summaries[-1], arguments), flush=True)
        finally:
            target.close()
            interpreter.close()
        if min(share_late(summary, arguments) for summary in summaries) > MOST_LATE:
            too_late.append(name)
    if too_late:
        sys.exit(f"more than {MOST_LATE:.0%} late in every run: {', '.join(too_late)}")


if __name__ == "__main__":
    main()
