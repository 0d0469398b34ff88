"""How a target speaks with the test that started it: one JSON object a line on stdout, one word a line on stdin.

A target says "ready" and later what it knows; the test answers with a word when the next step may begin. So neither
side ever sleeps to wait for the other. Everything under tests/targets runs on CPython 3.7 and later with nothing but
the standard library.
"""

import ast
import dis
import json
import os
import sys


def say(event, **fields):
    sys.stdout.write(json.dumps({event: fields}) + "\n")
    sys.stdout.flush()


def ready(**fields):
    say("ready", pid=os.getpid(), version=sys.version.split()[0], **fields)


def hear():
    """The next word from the test; empty when the test is gone."""
    return sys.stdin.readline().strip()


def name_in_snag(code):
    """The name by which Snag should call a function: qualified where the version's code objects have one."""
    return getattr(code, "co_qualname", code.co_name)


def stack_of(frame):
    """A frame and its callers, innermost first: what each is called, its file and its line."""
    stack = []
    while frame is not None:
        stack.append([name_in_snag(frame.f_code), frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return stack


def marked_lines(function, mark="# blocks"):
    """The lines of a function's source that carry the mark."""
    code = function.__code__
    with open(code.co_filename, encoding="utf-8") as source:
        lines = source.read().splitlines()
    last = max(line for _, line in dis.findlinestarts(code) if line is not None)
    found = [number for number in range(code.co_firstlineno, last + 1) if mark in lines[number - 1]]
    if not found:
        raise ValueError("no line of %s is marked" % code.co_name)
    if sys.version_info < (3, 8):
        calls = [node for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.Call)]
        found = [last_line_of_call(calls, line) for line in found]
    return found


def last_line_of_call(calls, line):
    """The line that a call beginning at a line has to 3.7: that of its last argument (bpo-12458)."""
    begun = [call for call in calls if call.lineno == line]
    return max([line] + [node.lineno for call in begun for node in ast.walk(call) if hasattr(node, "lineno")])
