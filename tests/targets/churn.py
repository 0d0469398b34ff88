"""A thread whose functions are made, called and freed all the time, so that code objects take each other's addresses.

Every function tells in its name, its file's name and its line which one it is: made_712 is in churn_712.py at line
10 * 712, and its innermost call is to part_712, in the same file. Whatever mixes up two of them is a stack that never was.
"""

import os
import threading
import types

from wire import hear, ready

KINDS = 5000
LINES_EACH = 10


def template(part):
    number = 1
    number += part()
    return number


def part_template():
    number = 0
    for step in range(20):
        number += step
    return number


def make(code, name, number):
    changes = dict(co_name=name, co_filename="churn_%d.py" % number, co_firstlineno=LINES_EACH * number)
    if hasattr(code, "co_qualname"):
        changes["co_qualname"] = name
    return types.FunctionType(code.replace(**changes), {"range": range})


def churn():
    number = 0
    while True:
        number = (number + 1) % KINDS + 1
        made = make(template.__code__, "made_%d" % number, number)
        part = make(part_template.__code__, "part_%d" % number, number)
        for _ in range(5):
            made(part)


def main():
    threading.Thread(target=lambda: os._exit(len(hear())), name="ears", daemon=True).start()
    ready(linesEach=LINES_EACH)
    churn()


if __name__ == "__main__":
    main()
