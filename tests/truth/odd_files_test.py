"""A Python whose files are not what they were, or not what one would expect: deleted, replaced, stripped, renamed, unreadable."""

import os
import shutil
import subprocess

import harness.truth
from elf_headers import take_section_headers
from odd_process import WAITING, Installation, OddTest, maps_of

NOBODY = 65534


class OddFiles(OddTest):
    def install(self):
        return Installation(self.interpreter, self.folder())

    def start_installed(self, installation, *wrapper, executable=None):
        return self.start_waiting(
            *wrapper, executable or installation.executable, "-u", WAITING, env=installation.environment
        )

    def test_deleted_by_an_upgrade(self):
        installation = self.install()
        process = self.start_installed(installation)
        for file in filter(None, (installation.executable, installation.library)):
            file.unlink()
        self.assertIn(f"{installation.holder} (deleted)", maps_of(process.pid))
        self.assert_told(process)

    def test_replaced_since(self):
        installation = self.install()
        process = self.start_installed(installation)
        for file in filter(None, (installation.executable, installation.library)):
            other = file.with_name("other")
            self.make_another_python(installation.holder, other)
            os.replace(other, file)
        self.assert_told(process)

    def make_another_python(self, original, path):
        """A library that has all that Snag looks for, at other places and of another version."""
        source = path.with_suffix(".c")
        source.write_text(
            "char before[123456] = {1}; unsigned long Py_Version = 0x030300f0;\n"
            'char _PyRuntime[4096] __attribute__((section(".PyRuntime"))) = {1};\n'
        )
        subprocess.run(["cc", "-shared", "-fPIC", "-o", path, source], check=True)

    def test_replaced_without_a_word_of_the_kernel(self):
        """Another file is mounted over the path: maps says nothing of it, and the path leads to the wrong one."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to mount")
        installation = self.install()
        other = installation.folder / "other"
        self.make_another_python(installation.holder, other)
        # The process itself mounts it, in its own mount namespace, and then becomes Python again with what it has open.
        script = (
            f"import os, subprocess\n"
            f"subprocess.run(['mount', '--bind', {str(other)!r}, {str(installation.holder)!r}], check=True)\n"
            f"exec(compile(open({str(WAITING)!r}).read(), {str(WAITING)!r}, 'exec'))\n"
        )
        process = self.start_waiting(
            "unshare", "--mount", installation.executable, "-u", "-c", script, env=installation.environment
        )
        self.assertNotIn("(deleted)", maps_of(process.pid))
        mounted = f"/proc/{process.pid}/root{installation.holder}"
        self.assertEqual(os.stat(mounted).st_size, other.stat().st_size, "the mount is not there")
        self.assert_told(process)

    def test_on_an_overlay(self):
        """As in a container; maps shows the lower file system's device there, stat the overlay's."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to mount")
        lower = self.install()
        upper = self.folder()
        merged, work = upper / "merged", upper / "work"
        for directory in (merged, work, upper / "upper"):
            directory.mkdir()
        options = f"lowerdir={lower.folder},upperdir={upper / 'upper'},workdir={work}"
        mount = f'mount -t overlay overlay -o {options} {merged} || exit 125; exec "$@"'
        probe = subprocess.run(["unshare", "--mount", "sh", "-c", mount, "sh", "true"], capture_output=True, text=True)
        if probe.returncode == 125:
            # An overlay cannot lie upon another one; a tmpfs will do.
            mount = f"mount -t tmpfs tmpfs {upper} && mkdir {upper}/upper {work} {merged} && {mount}"
            probe = subprocess.run(["unshare", "--mount", "sh", "-c", mount, "sh", "true"], capture_output=True, text=True)
            if probe.returncode != 0:
                self.skipTest(f"no overlay can be mounted here: {probe.stderr.strip()}")
        environment = {**lower.environment, "LD_LIBRARY_PATH": str(merged)}
        executable = merged / lower.executable.name
        process = self.start_waiting(
            "unshare", "--mount", "sh", "-c", mount, "sh", executable, "-u", WAITING, env=environment
        )
        line = next(line for line in maps_of(process.pid).splitlines() if str(merged) in line)
        major, minor = (int(number, 16) for number in line.split()[3].split(":"))
        shown = os.stat(f"/proc/{process.pid}/root{executable}").st_dev
        self.figure("overlay's device", "differs" if os.makedev(major, minor) != shown else "is the same")
        self.assert_told(process)

    def test_stripped_of_all_symbols(self):
        installation = self.install()
        subprocess.run(["strip", "--strip-all", installation.holder], check=True)
        self.assert_told(self.start_installed(installation))

    def test_without_section_headers(self):
        installation = self.install()
        take_section_headers(installation.holder)
        told = subprocess.run(["readelf", "-S", installation.holder], capture_output=True, text=True).stdout
        self.assertIn("There are no sections in this file", told)
        self.assert_told(self.start_installed(installation))

    def test_renamed_and_reached_through_links(self):
        installation = self.install()
        renamed = installation.executable.rename(installation.folder / "billing-service")
        for link, target in (("second", renamed), ("first", "second")):
            (installation.folder / link).symlink_to(target)
        process = self.start_installed(installation, executable=installation.folder / "first")
        self.assert_told(process)
        snag, _ = self.run_to_end("snag", "ps", "--json")
        self.assertIn(process.pid, [entry["pid"] for entry in snag.objects("process")])

    def test_that_nobody_may_open(self):
        """By its own user, who may read the process but not the files, and has no right to map_files either."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        installation = self.install()
        program = self.folder()
        for name in ("snag", "snagd"):
            shutil.copy(harness.truth.BIN / name, program)
        for folder in (installation.folder, program):
            folder.chmod(0o755)
        as_nobody = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        library = installation.environment["PYTHONHOME"]
        if subprocess.run([*as_nobody, "test", "-x", library], check=False).returncode != 0:
            self.skipTest(f"its standard library in {library} is not for everybody")
        script = shutil.copy(WAITING, program)
        process = self.start_waiting(*as_nobody, installation.executable, "-u", script, env=installation.environment)
        # Not before: a process whose executable may not be read when it starts may not be looked into.
        installation.folder.chmod(0o700)
        dump = [*as_nobody, program / "snag", "dump", str(process.pid)]
        snag = subprocess.run(dump, capture_output=True, text=True, check=False)
        self.assertEqual(snag.returncode, 0, snag.stderr)
        self.assertIn("innermost", snag.stdout)


if __name__ == "__main__":
    harness.truth.main("odd_files")
