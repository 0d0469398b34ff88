"""Whatever functions and files are called: nothing of it is lost, breaks a format, or reaches a terminal unescaped."""

import json
import xml.etree.ElementTree as xml

import harness.truth
from harness.truth import TruthTest

LONGEST = 4096  # bytes of a name that is sent, and characters that are read; a longer one ends in "…"


def shown(name):
    name = name[:LONGEST] + ("…" if len(name) > LONGEST else "")
    if len(name.encode()) <= LONGEST:
        return name
    return name.encode()[: LONGEST - len("…".encode())].decode("utf-8", "ignore") + "…"


def is_clean(text):
    """Nothing that a terminal or an editor would obey."""
    return all(character.isprintable() or character == "\N{SNAKE}" for character in text)


class OddNames(TruthTest):
    def setUp(self):
        self.target = self.start_target("odd_names.py")
        self.told = [(shown(name), shown(file), line) for name, file, line in self.target.first_words["frames"]]

    def record(self, form):
        path = self.folder() / "profile"
        snag, status = self.run_to_end(
            "snag", "record", self.target.pid, "-d", "1s", "-r", 20, "-o", path, "--format", form
        )
        self.assertEqual(status, 0, snag.stderr)
        return path.read_bytes().decode("utf-8")  # strictly

    def test_json_has_each_name_as_the_interpreter_has_it(self):
        snag, status = self.run_to_end("snag", "dump", self.target.pid, "--json")
        self.assertEqual(status, 0, snag.stderr)
        (thread,) = snag.objects("thread")
        self.assertTrue(thread["complete"])
        frames = [frame for frame in thread["stack"] if frame["kind"] == "PYTHON"]
        seen = [(frame["function"], frame["file"], frame["line"]) for frame in frames]
        self.assertEqual(seen[0][:2], self.told[0][:2])
        self.assertEqual(seen[1:], self.told[1:])

    def test_text_is_clean_and_has_a_line_for_each_frame(self):
        snag, status = self.run_to_end("snag", "dump", self.target.pid)
        self.assertEqual(status, 0, snag.stderr)
        lines = [line for line in "".join(snag.lines).split("\n") if line.startswith("    ")]
        self.assertEqual([line for line in lines if not is_clean(line)], [])
        places = [line for line in lines if line.endswith(")")]
        self.assertEqual(len(places), len(self.told))

    def test_folded_stacks_have_an_entry_for_each_frame(self):
        (line,) = self.record("folded").splitlines()
        stack, _, count = line.rpartition(" ")
        self.assertTrue(count.isdigit())
        entries = stack.split(";")
        self.assertEqual([entry for entry in entries if not is_clean(entry)], [])
        self.assertEqual(len(entries), len(self.told))
        for entry, (name, file, number) in zip(reversed(entries[:-1]), self.told[1:]):
            self.assertTrue(entry.endswith(f":{number})"), entry)
            if is_clean(name + file) and ";" not in name + file:
                self.assertEqual(entry, f"{name or '?'} ({file}:{number})")
        self.assertIn("semi\\x3bcolon", stack)

    def test_speedscope_has_each_name(self):
        profile = json.loads(self.record("speedscope"))
        frames = profile["shared"]["frames"]
        (stack,) = {tuple(sample) for entry in profile["profiles"] for sample in entry["samples"]}
        seen = [(frames[i]["name"], frames[i].get("file", ""), frames[i].get("line", 0)) for i in reversed(stack)]
        self.assertEqual(seen[1:], self.told[1:])

    def test_a_flame_graph_is_sound_xml(self):
        picture = xml.fromstring(self.record("flamegraph"))
        titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
        self.assertTrue(any(title.startswith("lone \\ud800 surrogate (plain.py:") for title in titles))
        self.assertTrue(any(title.startswith("semi;colon (plain.py:") for title in titles))


if __name__ == "__main__":
    harness.truth.main("odd_names")
