"""One watched run of the target that blocks (tests/targets/stalls.py)."""

import os

from harness.truth import Program, Target


def before_others():
    """The target takes its own time within the callback, a moment before it yields: what else the machine does must not
    come between. Without the right to it the target stays as it is."""
    try:
        os.nice(-10)
    except PermissionError:
        pass


def watch(interpreter, cleanup, *arguments, patience):
    """The target, with its blocks; snag, with its reports; snag's exit status."""
    target = Target(interpreter, "stalls.py", *arguments, preexec_fn=before_others)
    cleanup(target.close)
    snag = Program("snag", "stalls", target.pid, "--threshold", "50ms", "--json")
    cleanup(snag.close)
    snag.wait_for("stall")  # of the warm-up: it watches
    target.tell("go")
    until = target.wait_for("measured", timeout=patience)["until"]
    snag.wait_for("stall", lambda stall: int(stall["startMonotonicNs"]) > until)  # of the cool-down: nothing is outstanding
    snag.signal(2)
    status = snag.finish()
    target.tell("end")
    target.wait_for("done")
    return target, snag, status
