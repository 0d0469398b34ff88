"""Python inside of another program: linked, loaded late, not started yet, ended again, frozen into one file, in uWSGI."""

import json
import os
import socket
import struct
import subprocess
from pathlib import Path

import harness.truth
from harness.interpreters import TARGETS
from harness.process import Speaker, wait_until
from odd_process import FAILED, WAITING, OddTest, maps_of

UWSGI = Path("/usr/bin/uwsgi")


class Development:
    """What is needed to build a program with this interpreter's library, or the reason why that cannot be done."""

    ASKED = ("LIBDIR", "LDVERSION", "LDLIBRARY", "INSTSONAME", "INCLUDEPY", "DESTSHARED", "LIBPL", "MULTIARCH", "LIBS", "SYSLIBS")

    def __init__(self, interpreter):
        program = (
            "import json, sys, sysconfig; "
            f"print(json.dumps([sys.base_prefix] + [sysconfig.get_config_var(name) for name in {self.ASKED!r}]))"
        )
        told = subprocess.run([interpreter.path, "-c", program], check=True, capture_output=True, text=True).stdout
        prefix, *values = json.loads(told)
        self.variables = dict(zip(self.ASKED, values))
        self.environment = {"PYTHONHOME": prefix, "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        self.name = "python" + self.variables["LDVERSION"]
        self.include = Path(self.variables["INCLUDEPY"])
        self.libraries = [Path(self.variables["LIBDIR"]), Path(self.variables["LIBDIR"]) / (self.variables["MULTIARCH"] or "")]
        self.static = Path(self.variables["LIBPL"]) / f"lib{self.name}.a"
        self.shared = next(filter(Path.exists, (folder / f"lib{self.name}.so" for folder in self.libraries)), None)
        self.missing = None
        if not (self.include / "Python.h").exists():
            self.missing = f"there is no {self.include}/Python.h"
        elif self.shared is None:
            self.missing = f"there is no lib{self.name}.so"


class Embedding(OddTest):
    def setUp(self):
        self.development = Development(self.interpreter)
        if self.development.missing:
            self.skipTest(self.development.missing)

    def compile(self, *options, source="embedder.c"):
        program = self.folder() / "billing"
        command = ["cc", "-g", "-O1", "-I", self.development.include, "-o", program, TARGETS / source, *options, "-ldl"]
        subprocess.run(command, check=True)
        return program

    def start_embedder(self, program, *arguments):
        process = Speaker([program, WAITING, *arguments], env=self.development.environment)
        self.addCleanup(process.close)
        process.wait_for("started")
        return process

    def step(self, process, word):
        process.tell(word)
        process.wait_for(word)

    def run_script(self, process):
        process.tell("run")
        process.first_words = process.wait_for("ready")

    def end_script(self, process):
        process.tell("go on")
        process.wait_for("run")

    def live_a_life(self, process):
        """Not started, running, ended: each as it is."""
        self.assertIn("Python has not started yet in it, or has ended", self.refusal(process.pid))
        self.step(process, "initialize")
        self.run_script(process)
        self.assert_told(process)
        self.end_script(process)
        self.step(process, "finalize")
        self.assertIn("Python has not started yet in it, or has ended", self.refusal(process.pid))

    def test_linked_with_libpython(self):
        shared = self.development.shared
        self.live_a_life(self.start_embedder(self.compile("-DLINKED", shared, f"-Wl,-rpath,{shared.parent}")))

    def test_loaded_late(self):
        process = self.start_embedder(self.compile(), self.development.shared)
        self.assertIn("not a CPython process", self.refusal(process.pid))
        self.step(process, "load")
        self.live_a_life(process)

    def test_linked_statically_and_exporting_nothing(self):
        program = self.compile_statically()
        self.live_a_life(self.start_embedder(program))
        stripped = program.with_name("stripped")
        subprocess.run(["strip", "--strip-all", "-o", stripped, program], check=True)
        symbols = subprocess.run(["nm", "-D", stripped], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("_PyRuntime", symbols)
        process = self.start_embedder(stripped)
        if ".PyRuntime" in subprocess.run(["readelf", "-SW", stripped], capture_output=True, text=True, check=True).stdout:
            return self.live_a_life(process)
        # Nothing in it says where the runtime is: refused, and said what would help.
        self.step(process, "initialize")
        self.run_script(process)
        self.assertRegex(self.refusal(process.pid, status=FAILED), "stripped .*: run it unstripped")

    def test_pages_of_the_executable_mapped_again(self):
        """As libffi's static trampolines do where libffi is linked into the program, below and above it in memory."""
        process = self.start_embedder(self.compile_statically())
        self.step(process, "map")
        addresses = [line.split("-")[0] for line in maps_of(process.pid).splitlines() if line.endswith("/billing")]
        self.assertEqual((addresses[0], addresses[-1]), ("00010000", "7ffff0002000"), "the pages are not there")
        self.live_a_life(process)

    def compile_statically(self):
        if not self.development.static.exists():
            self.skipTest(f"there is no {self.development.static}")
        module = next(Path(self.development.variables["DESTSHARED"]).glob("_json.*.so"))
        if "libpython" in subprocess.run(["readelf", "-d", module], capture_output=True, text=True, check=True).stdout:
            self.skipTest("its extension modules bring a second runtime, with which a program of this kind crashes")
        libraries = " ".join(filter(None, (self.development.variables[name] for name in ("LIBS", "SYSLIBS")))).split()
        position = ["-no-pie"] if self.interpreter.name == "debian" else []  # how the archive was compiled
        return self.compile("-DLINKED", *position, self.development.static, *libraries, "-lexpat", "-lz", "-lm")

    def test_frozen_into_one_file(self):
        program = self.compile(source="bootloader.c")
        script = WAITING.read_bytes()
        library = self.development.shared.read_bytes()
        with open(program, "ab") as file:
            file.write(library + script + struct.pack("<QQ", len(library), len(script)))
        process = self.start_waiting(program, program.parent, env=self.development.environment)
        child = process.first_words["pid"]
        self.assertNotEqual(child, process.pid)
        self.assertIn(f"{program.parent}/_MEI", maps_of(child))
        self.assert_told(process, pid=child)
        process.tell("go on")
        self.assertEqual(process.finish(), 0, process.stderr)
        self.assertEqual(list(program.parent.glob("_MEI*")), [])

    def test_a_callback_of_ctypes(self):
        """libffi maps a page of itself again for it, or makes a page of its own; the stack goes through C and back."""
        script = self.folder() / "callback.py"
        script.write_text(
            "import ctypes, runpy\n"
            f"call = ctypes.CFUNCTYPE(None)(lambda: runpy.run_path({str(WAITING)!r}))\n"
            "call()\n"
        )
        process = self.start_waiting(self.interpreter.path, "-u", script)
        libffi = [line for line in maps_of(process.pid).splitlines() if "libffi" in line and " r-xp " in line]
        self.figure("libffi's executable mappings", len(libffi))
        self.assert_told(process)


class UWsgi(OddTest):
    def test_within_a_request(self):
        if self.interpreter.name != "debian":
            self.skipTest("Debian's uWSGI has Debian's Python in it")
        if not UWSGI.exists():
            self.skipTest(f"there is no {UWSGI}")
        folder = self.folder()
        words, answer = folder / "words", folder / "answer"
        for pipe in (words, answer):
            os.mkfifo(pipe)
        process = Speaker(
            [UWSGI, "--plugin", "python3", "--http-socket", folder / "socket", "--wsgi-file", TARGETS / "wsgi_waiting.py",
             "--env", f"SAYS={words}", "--env", f"HEARS={answer}"]
        )  # fmt: skip
        self.addCleanup(process.close)
        self.assertTrue(wait_until(lambda: "spawned uWSGI worker" in process.stderr), process.stderr)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(folder / "socket"))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with open(words) as told, open(answer, "w") as answering:
                process.first_words = json.loads(told.readline())["ready"]
                self.within_the_request(process)
                answering.write("go on\n")
            self.assertIn(b"200 OK", client.recv(1 << 16))

    def within_the_request(self, process):
        self.assert_told(process)
        snag, _ = self.run_to_end("snag", "ps", "--json")
        (entry,) = [entry for entry in snag.objects("process") if entry["pid"] == process.pid]
        self.assertEqual(entry["runner"], "uwsgi")


if __name__ == "__main__":
    harness.truth.main("odd_embedding")
