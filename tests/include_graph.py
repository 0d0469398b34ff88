"""The include directions of the design hold: which module may include which, and which library has which home.

    base ← process ← python ← asyncio ← daemon;   process ← symbolize ← daemon;   proto ← {daemon, cli}
"""

import re
import unittest
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

# A module and what it may include of ours, itself included.
MODULES = {
    "readers/base": {"readers/base"},
    "readers/process": {"readers/base", "readers/process"},
    "readers/python": {"readers/base", "readers/process", "readers/python"},
    "readers/asyncio": {"readers/base", "readers/process", "readers/python", "readers/asyncio"},
    "symbolize": {"readers/base", "readers/process", "symbolize"},
    "proto": {"proto"},
    "daemon": {"readers/base", "readers/process", "readers/python", "readers/asyncio", "symbolize", "proto", "daemon"},
    "cli": {"proto", "cli"},
}

# A library, by its headers, and its homes: beginnings of paths.
LIBRARIES = {
    "elfutils": (r"elfutils/|dwarf\.h|libelf\.h|gelf\.h", ["readers/process/elf_image", "readers/python/layouts/extract", "symbolize/"]),
    "libunwind": (r"libunwind", ["symbolize/"]),
    "Boost": (r"boost/", ["cli/arguments", "daemon/main", "daemon/options"]),
    "spdlog": (r"spdlog/|fmt/", ["daemon/"]),
    "Protobuf": (r"google/protobuf/|snag/v1/", ["proto/", "daemon/", "cli/"]),
    "RE2": (r"re2/", ["daemon/process_patterns"]),
    "Catch2": (r"catch2/", []),
}  # fmt: skip

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def module_of(path):
    """The module that a path of the tree belongs to, or None."""
    text = str(path)
    return next((module for module in MODULES if text.startswith(module + "/")), None)


def violations_of(path, text):
    """Sentences about what this file must not include."""
    for included in INCLUDE.findall(text):
        module, other = module_of(path), module_of(PurePosixPath(included))
        if other and other not in MODULES[module]:
            yield f"{path} includes {included}: {module} must not know {other}"
        for library, (headers, homes) in LIBRARIES.items():
            if re.match(headers, included) and not str(path).startswith(tuple(homes)):
                yield f"{path} includes {included}: {library} is at home in {' and '.join(homes) or 'tests alone'}"
        if included.startswith("tests/"):
            yield f"{path} includes {included}: what users run does not know the tests"


def sources():
    """(path in the tree, text) of every source file that users run."""
    for module in MODULES:
        for path in sorted((ROOT / module).rglob("*")):
            if path.suffix in (".h", ".cpp", ".inc", ".def"):
                yield PurePosixPath(path.relative_to(ROOT)), path.read_text()


class IncludeGraph(unittest.TestCase):
    def test_the_tree_keeps_the_directions(self):
        found = list(sources())
        self.assertGreater(len(found), 20, "the tree is not where this test looks for it")
        violations = [sentence for path, text in found for sentence in violations_of(path, text)]
        self.assertFalse(violations, "\n" + "\n".join(violations))

    def test_every_source_file_belongs_to_a_module(self):
        folders = {path.parent.relative_to(ROOT).as_posix() + "/" for path in (ROOT / "readers").rglob("*.cpp")}
        self.assertFalse([folder for folder in folders if module_of(folder + "x") is None])

    def test_a_violation_is_found(self):
        wrong = (
            ("readers/base/address.h", '#include "readers/process/elf_image.h"'),
            ("readers/python/frames.cpp", "#include <spdlog/spdlog.h>"),
            ("readers/asyncio/turn.h", "#  include <snag/v1/snag.pb.h>"),
            ("cli/main.cpp", '#include "readers/base/error.h"'),
            ("daemon/sampler.cpp", "#include <elfutils/libdw.h>"),
            ("symbolize/merge.h", '#include "readers/python/frames.h"'),
            ("daemon/main.cpp", '#include "tests/unit/fake_clock.h"'),
        )
        for path, text in wrong:
            with self.subTest(path):
                self.assertEqual(len(list(violations_of(PurePosixPath(path), text))), 1)

    def test_what_is_allowed_is_not_found(self):
        right = (
            ("readers/process/elf_image.cpp", "#include <gelf.h>\n#include <vector>"),
            ("daemon/main.cpp", '#include <boost/program_options.hpp>\n#include "readers/asyncio/turn.h"'),
            ("cli/commands/stalls.cpp", '#include <snag/v1/snag.pb.h>\n#include "proto/stream/framing.h"'),
        )
        for path, text in right:
            with self.subTest(path):
                self.assertEqual(list(violations_of(PurePosixPath(path), text)), [])


if __name__ == "__main__":
    unittest.main()
