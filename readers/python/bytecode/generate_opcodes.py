"""Writes opcodes/opcodes_3_X.inc: what Snag knows of each opcode of the interpreter that runs this script.

    for python in python3.7 ... python3.15; do $python generate_opcodes.py; done
    python3.X generate_opcodes.py --check       # compares with the committed file, status 1 if it differs

Numbers, specialisations and inline caches come from the modules `opcode` and `dis`; stack effects from dis.stack_effect(),
as a shape and coefficients that are proved for the arguments 0 to 1023. Where the compiler's accounting is not what the
evaluation loop does, CORRECTIONS says so and why. Whatever does not fit ends the script: nothing is guessed.
"""

import dis
import opcode
import os
import sys

VERSION = sys.version_info[:2]
PROVED_ARGUMENTS = range(1024)

# Opcodes that appear in no instruction stream at an instruction's place.
NOT_INSTRUCTIONS = {"CACHE", "RESERVED", "DO_TRACING", "INSTRUMENTED_LINE", "INSTRUMENTED_INSTRUCTION", "TRACE_RECORD"}

# The second tier's way in (3.13): written over another instruction, whose inline caches it leaves. It is none of its own.
ENTER_EXECUTOR = "ENTER_EXECUTOR"

ENDS_BLOCK = {"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "INTERPRETER_EXIT", "JUMP_FORWARD",
              "JUMP_ABSOLUTE", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "BREAK_LOOP", "CONTINUE_LOOP"}
# Named like something that ends a block, and does not: the analysis must not rely on the name.
CONTINUES = {"RETURN_GENERATOR"}

ROLES = {
    "EXTENDED_ARG": "kExtendedArgument",
    "FOR_ITER": "kForIter",
    "STORE_FAST": "kStoreLocal",
    "STORE_FAST_LOAD_FAST": "kStoreThenLoadLocal",
    "STORE_FAST_STORE_FAST": "kStoreTwoLocals",
    "SETUP_EXCEPT": "kSetupHandler",
    "SETUP_FINALLY": "kSetupHandler",
    "SETUP_WITH": "kSetupHandler",
    "SETUP_ASYNC_WITH": "kSetupHandler",
    "BEGIN_FINALLY": "kBeginFinally",
    "CALL_FINALLY": "kCallFinally",
    "POP_FINALLY": "kPopFinally",
    "WITH_CLEANUP_START": "kWithCleanupStart",
    "WITH_CLEANUP_FINISH": "kWithCleanupFinish",
    ENTER_EXECUTOR: "kEnterExecutor",
}

# 3.7 leaves a block early by unwinding: what a `finally` or `with` does then runs with more values on the stack.
EARLY_EXITS = {
    ((3, 7), "RETURN_VALUE"): "kReturn",
    ((3, 7), "BREAK_LOOP"): "kBreakLoop",
    ((3, 7), "CONTINUE_LOOP"): "kContinueLoop",
    ((3, 7), "SETUP_FINALLY"): "kSetupFinally",
    ((3, 7), "SETUP_WITH"): "kSetupFinally",
    ((3, 7), "SETUP_ASYNC_WITH"): "kSetupFinally",
}

# What stack_effect() does not know everywhere, and leaves the stack alone.
WITHOUT_EFFECT = {"NOP", "EXTENDED_ARG", ENTER_EXECUTOR}

# (version, name): (fall-through, jump). What the evaluation loop (Python/ceval.c, bytecodes.c) does, where stack_effect()
# states what the compiler needs to find the maximum.
LINEAR = "kLinear"
CORRECTIONS = {
    # 3.7's stack_effect() does not say what a jump does differently; these are proved to be its maximum.
    ((3, 7), "SETUP_WITH"): ((LINEAR, 1, 0), 6),
    ((3, 7), "SETUP_ASYNC_WITH"): ((LINEAR, 0, 0), 5),
    ((3, 7), "SETUP_EXCEPT"): ((LINEAR, 0, 0), 6),
    ((3, 7), "SETUP_FINALLY"): ((LINEAR, 0, 0), 6),
    ((3, 7), "FOR_ITER"): ((LINEAR, 1, 0), -1),
    ((3, 7), "JUMP_IF_TRUE_OR_POP"): ((LINEAR, -1, 0), 0),
    ((3, 7), "JUMP_IF_FALSE_OR_POP"): ((LINEAR, -1, 0), 0),
    # The compiler counts 1 for the return address at the jump. The block that it jumps to is the one that BEGIN_FINALLY and
    # the exception also enter, and the accounting is theirs: 6. stack_depth.cpp knows how far off that is.
    ((3, 8), "CALL_FINALLY"): ((LINEAR, 0, 0), 6),
    # A generator's first send() pushes None before it runs, and the compiler's accounting starts at 1. Here code starts at 0.
    ((3, 10), "GEN_START"): ((LINEAR, 0, 0), 0),
    ((3, 11), "RETURN_GENERATOR"): ((LINEAR, 1, 0), 0),
    ((3, 12), "RETURN_GENERATOR"): ((LINEAR, 1, 0), 0),
    # The compiler spreads a call's effect over two instructions; the stack is as it was until CALL is done.
    ((3, 11), "PRECALL"): ((LINEAR, 0, 0), 0),
    ((3, 11), "CALL"): ((LINEAR, -1, -1), 0),
}

# The argument shifted right by this many bits is the name's index (attribute, global) or the comparison's.
SHIFTS = {
    "LOAD_GLOBAL": {(3, 11): 1, (3, 12): 1, (3, 13): 1, (3, 14): 1, (3, 15): 1},
    "LOAD_ATTR": {(3, 12): 1, (3, 13): 1, (3, 14): 1, (3, 15): 1},
    "LOAD_SUPER_ATTR": {(3, 12): 2, (3, 13): 2, (3, 14): 2, (3, 15): 2},
    "IMPORT_NAME": {(3, 15): 2},  # below it: lazily or not (PEP 810)
    "COMPARE_OP": {(3, 12): 4, (3, 13): 5, (3, 14): 5, (3, 15): 5},
}

# effect = constant + coefficient * shape(argument), as in stack_effect() of Python/compile.c. The names are EffectShape's.
SHAPES = {
    "kLinear": lambda arg: arg,
    "kLowBit": lambda arg: arg & 1,
    "kLowFourBits": lambda arg: bin(arg & 15).count("1"),
    "kFormatSpec": lambda arg: 1 if (arg & 4) == 4 else 0,
    "kIfThree": lambda arg: 1 if arg == 3 else 0,
    "kBeforeAndAfter": lambda arg: (arg & 0xFF) + (arg >> 8),
}


def fail(text):
    sys.exit("Python %d.%d: %s" % (VERSION[0], VERSION[1], text))


def has_argument(op):
    return op in opcode.hasarg if hasattr(opcode, "hasarg") else op >= opcode.HAVE_ARGUMENT


def measured(op, jump):
    """The effect for each argument, or the same for all where the opcode has none."""
    options = {"jump": jump} if VERSION >= (3, 8) else {}
    if not has_argument(op):
        return [opcode.stack_effect(op, **options)] * len(PROVED_ARGUMENTS)
    return [opcode.stack_effect(op, arg, **options) for arg in PROVED_ARGUMENTS]


def shaped(name, effects):
    """The one shape that yields exactly these effects."""
    for shape, function in SHAPES.items():
        constant = effects[0]
        arg = next((arg for arg in PROVED_ARGUMENTS if function(arg) == 1), None)
        coefficient = effects[arg] - constant
        if all(effects[arg] == constant + coefficient * function(arg) for arg in PROVED_ARGUMENTS):
            return shape, constant, coefficient
    return fail("no shape fits the stack effect of %s" % name)


def effect(op, name):
    """((shape, constant, coefficient) when execution falls through, effect when it jumps)."""
    if (VERSION, name) in CORRECTIONS:
        (shape, constant, coefficient), taken = CORRECTIONS[VERSION, name]
        if VERSION == (3, 7) and set(measured(op, None)) != {max(constant, taken)}:
            fail("the greater effect of %s is another" % name)
        return (shape, constant, coefficient), taken
    if name in WITHOUT_EFFECT:
        return (LINEAR, 0, 0), 0
    taken = measured(op, True)
    jumps = op in opcode.hasjrel or op in opcode.hasjabs
    if jumps and len(set(taken)) != 1:
        fail("the jump effect of %s depends on its argument" % name)
    return shaped(name, measured(op, False)), taken[0] if jumps else 0


def jump(op, name):
    if op in opcode.hasjabs:
        return "kAbsolute"
    if op in opcode.hasjrel:
        return "kBackward" if "JUMP_BACKWARD" in name or name == "END_ASYNC_FOR" else "kForward"
    return "kNone"


def role(op, name):
    if (VERSION, name) in EARLY_EXITS:
        return EARLY_EXITS[VERSION, name]
    if name == "END_ASYNC_FOR" and op in opcode.hasjrel:
        return "kNamesLoop"
    return ROLES.get(name, "kPlain")


def caches(op, name):
    entries = getattr(opcode, "_inline_cache_entries", None)
    if entries is None:
        return 0
    return entries.get(name, 0) if hasattr(entries, "get") else entries[op]  # by name since 3.13


def ends_block(name):
    if name.startswith(("RETURN", "RAISE", "RERAISE", "JUMP_")) and "_IF_" not in name:
        if name not in ENDS_BLOCK and name not in CONTINUES:
            fail("does %s end a block?" % name)
    return name in ENDS_BLOCK


def base_opcodes():
    """{name: value} of what the compiler writes."""
    return {name: value for name, value in opcode.opmap.items()
            if value < 256 and name not in NOT_INSTRUCTIONS and not name.startswith("INSTRUMENTED_")}


def variants(base):
    """[(value, name, base name)] of what the evaluation loop writes in place of a base opcode."""
    numbers = getattr(dis, "_all_opmap", {})
    numbers = dict(numbers, **getattr(opcode, "_specialized_opmap", {}))
    found = []
    for name, specialized in getattr(opcode, "_specializations", {}).items():
        found += [(numbers[variant], variant, name) for variant in specialized]
    for name, value in opcode.opmap.items():
        if name.startswith("INSTRUMENTED_") and name not in NOT_INSTRUCTIONS:
            found.append((value, name, name[len("INSTRUMENTED_"):]))
    for value, name, of in found:
        if of not in base:
            fail("%s (%d) is a form of %s, which does not exist" % (name, value, of))
    return found


def render():
    base = base_opcodes()
    for version, name in CORRECTIONS:
        if version == VERSION and name not in base:
            fail("%s is corrected and does not exist" % name)
    lines = [
        "// Generated by generate_opcodes.py under CPython %d.%d. Do not edit." % VERSION,
        "// SNAG_OPCODE(value, name, caches, jump, ends_block, shape, constant, coefficient, taken, role, shift)",
        "// SNAG_VARIANT(value, name, base)",
        "// clang-format off",
    ]
    taken_values = {}
    for name, value in sorted(base.items(), key=lambda item: item[1]):
        (shape, constant, coefficient), taken = effect(value, name)
        lines.append("SNAG_OPCODE(%d, %s, %d, %s, %s, %s, %d, %d, %d, %s, %d)" % (
            value, name, caches(value, name), jump(value, name), "true" if ends_block(name) else "false", shape, constant,
            coefficient, taken, role(value, name), SHIFTS.get(name, {}).get(VERSION, 0)))
        taken_values[value] = name
    for value, name, of in sorted(variants(base)):
        if value in taken_values:
            fail("%d is both %s and %s" % (value, name, taken_values[value]))
        taken_values[value] = name
        lines.append("SNAG_VARIANT(%d, %s, %d)" % (value, name, base[of]))
    return "\n".join(lines) + "\n"


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "opcodes", "opcodes_%d_%d.inc" % VERSION)
    text = render()
    if sys.argv[1:] == ["--check"]:
        with open(path) as committed:
            if committed.read() != text:
                fail("%s is not what this interpreter says" % os.path.basename(path))
        return
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
