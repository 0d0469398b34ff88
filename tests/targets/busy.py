"""One thread that computes, twenty frames deep, until it is told to end; as many more as are asked for do nothing."""

import argparse
import os
import threading

from wire import hear, ready

DEPTH = 20
OTHER_FRAMES = 3  # <module>, main, spin


def spin():
    number = 0
    while True:
        number = (number * 31 + 7) % 1_000_003


def descend(levels):
    if levels:
        return descend(levels - 1)
    return spin()


def end_when_told():
    hear()
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle-threads", type=int, default=0)
    for _ in range(parser.parse_args().idle_threads):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    threading.Thread(target=end_when_told, name="ears", daemon=True).start()
    ready(depth=DEPTH)
    descend(DEPTH - OTHER_FRAMES - 1)


if __name__ == "__main__":
    main()
