"""Where BaseEventLoop._run_once runs callbacks, as its source says. Usage: oracle_run_once.py > record

The record, as in oracle_corpus.py:
  0 co_code, or from 3.11 the code of a loop that has run    2 u32 offsets of calls within `for i in range(ntodo):`
  1 u32 slot of `i`                                          3 u32 offsets of calls anywhere else
                                                             4 u32 offsets of calls of `handle._run()`
"""

import ast
import asyncio
import dis
import inspect
import sys
import textwrap

from oracle_corpus import packed, write_record

function = asyncio.base_events.BaseEventLoop._run_once


def loop_lines():
    """(line numbers of the loop's body, of the calls of handle._run() in it)."""
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    body, runs = set(), set()
    for loop in (node for node in ast.walk(tree) if isinstance(node, ast.For) and getattr(node.target, "id", "") == "i"):
        for statement in loop.body:
            for node in ast.walk(statement):
                if hasattr(node, "lineno"):
                    body.add(first + node.lineno - 1)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_run":
                    runs.add(first + node.lineno - 1)
    return body, runs


def main():
    loop = asyncio.new_event_loop()
    for _ in range(50):
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    code = function.__code__
    body, runs = loop_lines()
    inside, outside, running, line = [], [], [], None
    starts = dict(dis.findlinestarts(code))
    for instruction in dis.get_instructions(code):
        line = starts.get(instruction.offset, line)
        if instruction.opname.startswith(("CALL", "PRECALL")):
            (inside if line in body else outside).append(instruction.offset)
            if line in runs:
                running.append(instruction.offset)
    assert len(running) >= 2 and len(inside) > 2 and len(outside) > 5
    write_record(sys.stdout.buffer, [getattr(code, "_co_code_adaptive", code.co_code),
                                     packed("I", [code.co_varnames.index("i")]), packed("I", inside), packed("I", outside),
                                     packed("I", running)])


if __name__ == "__main__":
    main()
