"""What CPython itself says of every code object of its standard library. Usage: oracle_corpus.py > records

A record is a u32 number of fields, each a u32 length and its bytes, all little-endian. Fields of a record:
  0 co_code                       4 i32 line per code unit, -1 for none
  1 co_lnotab or co_linetable     5 u32 triples: offset of the opcode, opcode, argument; one ffffffff: not asked
  2 co_exceptiontable             6 u32 per jump target, sorted; one ffffffff: not asked
  3 i32: co_firstlineno,          7 u32 fives of the exception table: start, end, target, depth, pushes index
    co_stacksize                  8 i32 fours per code unit: line, end line, column, end column, -1 for none; may be empty
"""

import array
import ctypes
import dis
import importlib.util
import marshal
import os
import struct
import sys
import sysconfig
import types

VERSION = sys.version_info[:2]
SLOW_FIELDS_EVERY = 4  # what dis takes long for, for one code object in so many; lines, stack size and code for all
NOT_ASKED = b"\xff" * 4
EXTENDED_ARG = dis.EXTENDED_ARG
CACHE = dis.opmap.get("CACHE", -1)

addr2line = ctypes.pythonapi.PyCode_Addr2Line
addr2line.argtypes = [ctypes.py_object, ctypes.c_int]


def packed(typecode, values):
    return array.array(typecode, values).tobytes()


def write_record(out, fields):
    out.write(struct.pack("<I", len(fields)))
    for field in fields:
        out.write(struct.pack("<I", len(field)))
        out.write(field)


def lines(code):
    units = len(code.co_code) // 2
    if not hasattr(code, "co_lines"):
        return [addr2line(code, 2 * unit) for unit in range(units)]
    result = [-1] * units
    for start, end, line in code.co_lines():
        if line is not None:
            result[start // 2:end // 2] = [line] * ((end - start) // 2)
    return result


def instructions(code):
    flat = []
    for row in dis._unpack_opargs(code.co_code):
        offset, op, arg = row[0], row[-2], row[-1]
        if op not in (EXTENDED_ARG, CACHE):
            flat += (offset, op, arg or 0)
    return flat


def exception_table(code):
    flat = []
    if VERSION >= (3, 11):
        for entry in dis._parse_exception_table(code):
            flat += (entry.start, entry.end, entry.target, entry.depth, entry.lasti)
    return flat


def positions(code):
    flat = []
    for position in code.co_positions():
        flat += (-1 if value is None else value for value in position)
    return flat


def record(code, number):
    slow = number % SLOW_FIELDS_EVERY == 0
    return [
        code.co_code,
        code.co_linetable if VERSION >= (3, 10) else code.co_lnotab,
        getattr(code, "co_exceptiontable", b""),
        packed("i", [code.co_firstlineno, code.co_stacksize]),
        packed("i", lines(code)),
        packed("I", instructions(code)) if slow else NOT_ASKED,
        packed("I", sorted(dis.findlabels(code.co_code))) if slow else NOT_ASKED,
        packed("I", exception_table(code)),
        packed("i", positions(code)) if slow and VERSION >= (3, 11) else b"",
    ]


def compiled(path):
    """The module's code: from its .pyc if that is this interpreter's, as compiling takes most of the time."""
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            data = file.read()
        if data[:4] == importlib.util.MAGIC_NUMBER:
            return marshal.loads(data[16:])
    except (OSError, ValueError, EOFError):
        pass
    try:
        with open(path, "rb") as file:
            return compile(file.read(), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, UnicodeDecodeError):
        return None  # the test suite holds files that are wrong on purpose
    except FileNotFoundError:
        return None  # Debian links to /etc/python3.X/sitecustomize.py, which the other root does not have


def code_objects(code):
    pending = [code]
    while pending:
        code = pending.pop()
        yield code
        pending += (constant for constant in code.co_consts if isinstance(constant, types.CodeType))


def main():
    number = 0
    for folder, folders, files in os.walk(sysconfig.get_paths()["stdlib"]):
        folders[:] = sorted(f for f in folders if f not in ("site-packages", "dist-packages", "__pycache__"))
        for name in sorted(files):
            code = compiled(os.path.join(folder, name)) if name.endswith(".py") else None
            for one in code_objects(code) if code else ():
                number += 1
                write_record(sys.stdout.buffer, record(one, number))


if __name__ == "__main__":
    main()
