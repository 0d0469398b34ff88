"""A thread whose stack is as deep as it is told to be, and blocked: `deep.py DEPTH`. `ready` has the depth of its stack."""

import os
import sys
import threading

from wire import hear, ready

ROOM = 1000  # frames, beside those asked for
BYTES_OF_A_FRAME = 16 * 1024  # far more than a call takes on the stack of C, where it takes any


def down(levels):
    if levels:
        return down(levels - 1)
    depth = 0
    frame = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    ready(depth=depth + 1)  # hear()
    hear()
    os._exit(0)


def main():
    levels = int(sys.argv[1])
    sys.setrecursionlimit(levels + ROOM)
    threading.stack_size(levels * BYTES_OF_A_FRAME + (1 << 20))
    thread = threading.Thread(target=down, args=(levels,), name="deep")
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
