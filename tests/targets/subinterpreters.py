"""Several interpreters in one process, each of them in a thread of its own that tells who it is.

`subinterpreters.py KIND [--shared] [--churn]`. KIND: "wait" (blocked), "spin" (computing), "loop" (an asyncio loop whose
task blocks it, again and again). --shared: the interpreters share the main one's GIL, also where they need not. --churn:
another thread makes and destroys interpreters all the time.

ready: {"interpreters": [{id, tid, function, name}], "ownGil": whether each has a GIL of its own}.
"""

import argparse
import ctypes
import os
import sys
import threading

try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        interpreters = None

from wire import hear, ready

COUNT = 3
SYS_GETTID = 186  # x86-64

# Each tells through a pipe that it is there, from within the function that it is found in.
BODIES = {
    "wait": """
def inner_NUMBER():
    os.write(READY, b"r"); os.read(BLOCK, 1)

inner_NUMBER()
""",
    "spin": """
def inner_NUMBER():
    os.write(READY, b"r")
    number = 0
    while True:
        number = (number * 31 + 7) % 1000003

inner_NUMBER()
""",
    "loop": """
import asyncio, threading, time

def inner_NUMBER():
    time.sleep(0.3)

async def main():
    asyncio.current_task().set_name("task NUMBER")
    os.write(READY, threading.current_thread().name.encode())
    while True:
        inner_NUMBER()
        await asyncio.sleep(0.1)

asyncio.run(main())
""",
}


def create(shared):
    """(the interpreter, whether it has a GIL of its own)"""
    if sys.version_info >= (3, 13):
        return interpreters.create("legacy" if shared else "isolated"), not shared
    if sys.version_info >= (3, 12):
        return interpreters.create(isolated=not shared), not shared
    return interpreters.create(), False


def run(interpreter, text):
    if sys.version_info >= (3, 13):
        return interpreters.exec(interpreter, text)
    return interpreters.run_string(interpreter, text)


def start(kind, shared, number):
    (ready_end, told), (block, _keep_open) = os.pipe(), os.pipe()
    interpreter, own_gil = create(shared)
    text = BODIES[kind].replace("NUMBER", str(number)).replace("READY", str(told)).replace("BLOCK", str(block))
    known = {}

    def in_thread():
        known["tid"] = ctypes.CDLL(None).syscall(SYS_GETTID)
        run(interpreter, "import os, sys\n" + text)

    threading.Thread(target=in_thread, daemon=True).start()
    name = os.read(ready_end, 100).decode()  # of the thread, as the interpreter's own threading calls it; "r" without that
    return dict(id=int(interpreter), tid=known["tid"], function="inner_%d" % number, name=name), own_gil


def churn(shared):
    while True:
        interpreter, _ = create(shared)
        run(interpreter, "import os")
        interpreters.destroy(interpreter)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=BODIES)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--churn", action="store_true")
    options = parser.parse_args()
    if interpreters is None:
        return ready(interpreters=[], ownGil=False)
    # Up to 3.11 _asyncio takes the running loop of one interpreter for another's: its cache goes by the threads' ids, which
    # each interpreter counts from 1.
    count = 1 if options.kind == "loop" and sys.version_info < (3, 12) else COUNT
    started = [start(options.kind, options.shared, number) for number in range(count)]
    if options.churn:
        threading.Thread(target=churn, args=(options.shared,), daemon=True).start()
    ready(interpreters=[told for told, _ in started], ownGil=all(own for _, own in started))
    hear()
    os._exit(0)


if __name__ == "__main__":
    main()
