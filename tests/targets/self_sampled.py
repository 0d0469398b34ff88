"""Runs another target of this folder and looks at it from inside, by an interval timer's signal: an oracle for the target.

After the target's own words come {"seen": {at, function, file, line}} lines: where blockers.py was at that instant, by
CPython's own frame objects.
"""

import os
import runpy
import signal
import sys
import time

from wire import name_in_snag, say

INTERVAL = 0.005  # seconds


def main():
    seen = []

    def look(_signal, frame):
        at = time.monotonic_ns()
        while frame is not None and os.path.basename(frame.f_code.co_filename) != "blockers.py":
            frame = frame.f_back
        if frame is not None:
            seen.append((at, frame.f_code, frame.f_lineno))

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL, INTERVAL)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), sys.argv[1])
    sys.argv = sys.argv[1:]
    runpy.run_path(script, run_name="__main__")
    signal.setitimer(signal.ITIMER_REAL, 0)
    for at, code, line in seen:
        say("seen", at=at, function=name_in_snag(code), file=code.co_filename, line=line)


if __name__ == "__main__":
    main()
