"""Where interpreters are kept that the system does not carry: a folder for each, outside of the source tree, whole or not there.

What could not be had leaves its reason beside the place where it would be, for the table at the end of the tests.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

LAYING = ".laying-"


def home():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snag"


@contextlib.contextmanager
def laying(place):
    """A temporary folder beside `place` that takes its name when all went well, and goes when not. One process at a time;
    what one that was killed has left behind goes too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for half in place.parent.glob(f"{LAYING}*"):
            shutil.rmtree(half)
        folder = Path(tempfile.mkdtemp(prefix=LAYING, dir=place.parent))
        try:
            folder.chmod(0o755)
            yield folder
            if place.exists():
                place.rename(Path(tempfile.mkdtemp(prefix=LAYING, dir=place.parent)) / "replaced")
            folder.rename(place)
            reason_file(place).unlink(missing_ok=True)
        finally:
            for rest in place.parent.glob(f"{LAYING}*"):
                shutil.rmtree(rest)


def reason_file(place):
    return place.with_name(place.name + ".reason")


def keep_reason(place, reason):
    place.parent.mkdir(parents=True, exist_ok=True)
    reason_file(place).write_text(reason + "\n")


def reason(place):
    """Why the last attempt to have it failed; empty when there was none."""
    file = reason_file(place)
    return file.read_text().strip() if file.exists() else ""
