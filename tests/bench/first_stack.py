"""From starting `snag dump PID` to its first stack: the median over many runs, with no and with 500 more libraries loaded.

usage: first_stack.py [--bin FOLDER] [--runs N] [INTERPRETER]
Beside each: the same for /bin/true, which does nothing, in turns with it: what starting any program costs here and now.
Exit status 1: a median is above what is promised. On a disturbed machine, look at the ratio.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "truth"))
DEFAULT_BIN = HERE.parent.parent / "build/release/bin"
PROMISED = {0: 0.005, 500: 0.020}  # libraries → seconds
WARM_UP = 5  # runs that fill the file cache


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, default=DEFAULT_BIN)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("interpreter", nargs="?", default="3.12")
    return parser.parse_args()


def make_libraries(folder, count):
    """`count` shared libraries that differ by one number each."""
    source = folder / "library.c"
    for number in range(count):
        source.write_text(f"int number_{number}(void) {{ return {number}; }}\n")
        command = ["cc", "-shared", "-fPIC", "-O0", "-o", folder / f"library_{number:03}.so", source]
        subprocess.run(command, check=True)


def seconds_to(command, wanted):
    """From the start of the program until `wanted` is in its output; until its end where nothing is wanted."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        heard = b""
        while data := os.read(process.stdout.fileno(), 1 << 16):
            heard += data
            if wanted and wanted in heard:
                break
        elapsed = time.perf_counter() - start
        process.stdout.read()
    if process.returncode != 0 or (wanted and wanted not in heard):
        raise SystemExit(f"{command} ended with status {process.returncode}, and printed {heard!r}")
    return elapsed


def measure(bin_folder, pid, runs):
    """(seconds of snag, seconds of /bin/true), in turns."""
    dump = [bin_folder / "snag", "dump", str(pid)]
    for _ in range(WARM_UP):
        seconds_to(dump, b"many_libraries.py:")
    pairs = [(seconds_to(dump, b"many_libraries.py:"), seconds_to(["/bin/true"], b"")) for _ in range(runs)]
    return [snag for snag, _ in pairs], [nothing for _, nothing in pairs]


def report(count, snag, nothing):
    median, empty = statistics.median(snag), statistics.median(nothing)
    print(
        f"{count:3} libraries: {median * 1e3:6.2f} ms at the median of {len(snag)} (least {min(snag) * 1e3:.2f}, "
        f"most {max(snag) * 1e3:.2f}; promised {PROMISED[count] * 1e3:.0f})   /bin/true {empty * 1e3:.2f} ms, ratio {median / empty:.1f}",
        flush=True,
    )
    return median <= PROMISED[count]


def main():
    arguments = parse_arguments()
    os.environ["SNAG_BIN"] = str(arguments.bin)  # the harness reads it when it is imported
    from harness.interpreters import Interpreter
    from harness.truth import Target

    interpreter = Interpreter(arguments.interpreter)
    if interpreter.path is None:
        raise SystemExit(interpreter.reason)
    kept = True
    for count in PROMISED:
        folder = Path(tempfile.mkdtemp(prefix="snag-bench-"))
        try:
            make_libraries(folder, count)
            target = Target(interpreter, "many_libraries.py", folder)
            try:
                kept = report(count, *measure(arguments.bin, target.pid, arguments.runs)) and kept
            finally:
                target.close()
        finally:
            shutil.rmtree(folder)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
