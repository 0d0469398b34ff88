"""A Python in other namespaces and another root, as in a container, watched from outside."""

import os
import shutil
import subprocess
from pathlib import Path

import harness.truth
from odd_process import WAITING, OddTest, maps_of

STANDARD_LIBRARY = Path("/usr/lib/python3.11")


def child_of(pid):
    """The one child of a process, as we number it."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def libraries_of(program):
    told = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    words = [word for line in told.splitlines() for word in line.split()]
    return {Path(word) for word in words if word.startswith("/")}


class OddNamespaces(OddTest):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to make namespaces")

    def unshare(self, *options, command):
        """unshare --fork, whose child is the process; skips where the kernel does not let us."""
        probe = subprocess.run(["unshare", *options, "--fork", "true"], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            self.skipTest(probe.stderr.strip())
        return self.start_waiting("unshare", *options, "--fork", "--kill-child", *command)

    def waiting(self):
        return self.interpreter.path, "-u", WAITING

    def test_another_pid_and_mount_namespace(self):
        process = self.unshare("--mount", "--pid", command=self.waiting())
        self.assertEqual(process.first_words["pid"], 1, "it is not alone in its namespace")
        self.assert_told(process, pid=child_of(process.pid))

    def test_another_user_namespace(self):
        process = self.unshare("--user", "--map-root-user", "--pid", command=self.waiting())
        child = child_of(process.pid)
        self.assertNotEqual(os.readlink(f"/proc/{child}/ns/user"), os.readlink("/proc/self/ns/user"))
        self.assert_told(process, pid=child)

    def test_its_files_are_hidden_from_us(self):
        """Its executable lies in a file system that only its own mount namespace has."""
        hidden = self.folder()
        script = (
            f'mount -t tmpfs tmpfs {hidden} && cp -L {self.interpreter.path} {hidden}/program && shift && exec "$@"'
        )
        prefix = subprocess.run(
            [self.interpreter.path, "-c", "import sys; print(sys.base_prefix)"], check=True, capture_output=True, text=True
        ).stdout.strip()
        command = ("sh", "-c", script, "sh", "-", "env", f"PYTHONHOME={prefix}", hidden / "program", "-u", WAITING)
        process = self.unshare("--mount", command=command)
        child = child_of(process.pid)
        self.assertIn(f"{hidden}/program", maps_of(child))
        self.assertEqual(list(hidden.iterdir()), [])
        self.assert_told(process, pid=child)

    def test_another_root(self):
        """Debian's Python in a root of its own, with paths that lead to nothing, or to something else, in ours."""
        if self.interpreter.name != "debian":
            self.skipTest("the root is made of Debian's Python")
        root = self.folder()
        program = self.interpreter.path.resolve()
        modules = list((STANDARD_LIBRARY / "lib-dynload").glob("_json*.so"))
        for file in {program, *libraries_of(program), *modules}:
            into = root / str(file).lstrip("/")
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, into)
        shutil.copytree(STANDARD_LIBRARY, root / "usr/lib/python3.11", dirs_exist_ok=True, ignore=shutil.ignore_patterns("test", "*.so"))
        (root / "opt").mkdir()
        (root / "opt/python").symlink_to(program)
        shutil.copy(WAITING, root / "opt/waiting.py")
        process = self.start_waiting("/usr/sbin/chroot", root, "/opt/python", "-u", "/opt/waiting.py", env={})
        self.assertEqual(os.readlink(f"/proc/{process.pid}/root"), str(root))
        self.assertEqual(process.first_words["stack"][0][1], "/opt/waiting.py")
        self.assert_told(process)


if __name__ == "__main__":
    harness.truth.main("odd_namespaces")
