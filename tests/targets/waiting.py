"""Waits three calls deep, and has told before by its own account where: the victim of the tests of odd ways to run Python.

It stands alone, so that it can be copied anywhere and run by a program that embeds Python. stdin: anything ends it.
"""

import json
import os
import sys


def account(frame):
    """[[function, file, line]…], innermost first; true for as long as the statement that asks for it goes on."""
    frames = []
    while frame:
        code = frame.f_code
        frames.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return frames


def tell(frames):
    print(json.dumps({"ready": {"pid": os.getpid(), "version": sys.version.split()[0], "stack": frames}}), flush=True)


def innermost():
    # One statement, so that the line that it tells is the one that waits.
    tell(account(sys._getframe())), sys.stdin.readline()


def middle():
    innermost()


def outermost():
    middle()


outermost()
