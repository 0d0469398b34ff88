"""The flame graph works in a browser: zoom by click and back, search with its share, details, keys, no error.

A daemon played by this test sends a known profile to `snag record`; Chromium, driven by Selenium, opens what it wrote.
"""

import shutil
import socket
import sys
import tempfile
import threading
import unittest

import harness.truth
from harness.interpreters import Interpreter
from harness.truth import TruthTest
from harness.wire_client import compile_schema, varint

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = [name for name, there in (("python3-selenium", webdriver), ("chromium", CHROMIUM), ("chromium-driver", DRIVER))
           if not there]  # fmt: skip
REASON = "not installed: " + ", ".join(MISSING)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1000,700",
)  # fmt: skip
HOSTILE = "<img src=x onerror=alert(1)>]]>\x1b[2J\u202e&amp;\"'"
# Root first; every frame is (function, file).
MAIN, SERVE = ("main", "/srv/app/main.py"), ("serve", "/usr/lib/python3.11/asyncio/events.py")
REPORT, GET = ("report", "/srv/app/views.py"), ("get", "/usr/lib/python3/dist-packages/requests/api.py")
LIST, HASH = ("Lister.list", "/srv/app/views.py"), ("md5", "")
STACKS = {
    (MAIN, SERVE, REPORT, GET): 50,
    (MAIN, SERVE, REPORT, GET, GET): 10,
    (MAIN, SERVE, LIST, HASH): 20,
    (MAIN, SERVE): 15,
    (MAIN, (HOSTILE, HOSTILE)): 5,
}
TOTAL = sum(STACKS.values())


class Definitions:
    """Numbers for strings, frames and stacks, as proto/snag/v1/snag.proto tells."""

    def __init__(self, schema):
        self.message = schema.Definitions()
        self.known = {}

    def number(self, kind, key, /, **fields):
        entries = getattr(self.message, kind)
        if (kind, key) not in self.known:
            entries.add(id=len(entries) + 1, **fields)
            self.known[kind, key] = len(entries)
        return self.known[kind, key]

    def string(self, value):
        return self.number("strings", value, value=value)

    def stack(self, frames):
        caller = 0
        for line, (function, file) in enumerate(frames, 1):
            kind = "PYTHON" if file else "NATIVE"
            frame = self.number("frames", (function, file, line), function=self.string(function),
                                file=self.string(file), line=line if file else 0, kind=kind)  # fmt: skip
            caller = self.number("stacks", (caller, frame), caller=caller, frame=frame)
        return caller


def serve_profile(schema, listener):
    """Plays the daemon for one client."""
    client, _ = listener.accept()
    with client:
        definitions = Definitions(schema)
        thread = definitions.number("threads", 1, pid=1, tid=1, name=definitions.string("MainThread"))
        stacks = [definitions.stack(frames) for frames, count in STACKS.items() for _ in range(count)]
        summary = dict(requested_rate=100, achieved_rate=100, whole=TOTAL, lost=1, lost_by_reason={"unreadable": 1})
        for kind in (
            dict(hello=schema.Hello(protocol=1, program="test")),
            dict(target=schema.Target(pid=1, version="3.11.2", implementation="CPython", runner="uvicorn")),
            dict(definitions=definitions.message),
            dict(samples=schema.Samples(thread=[thread] * len(stacks), stack=stacks)),
            dict(summary=schema.SamplingSummary(**summary)),
            dict(done=schema.Done()),
        ):
            message = schema.ServerMessage(**kind).SerializeToString()
            client.sendall(varint(len(message)) + message)
        while client.recv(4096):
            pass


def record_picture(folder, run):
    """The picture of the known profile; `run` runs snag."""
    address, picture = folder / "snagd.sock", folder / "flamegraph.svg"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        daemon = threading.Thread(target=serve_profile, args=(compile_schema(), listener))
        daemon.start()
        run("record", "1", "-o", picture, "--socket", address)
        daemon.join()
    return picture


@unittest.skipIf(MISSING, REASON)
class FlamegraphInABrowser(TruthTest):
    @classmethod
    def setUpClass(cls):
        profile = tempfile.mkdtemp(prefix="snag-chromium-")
        cls.addClassCleanup(shutil.rmtree, profile, ignore_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in (*OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        cls.browser = webdriver.Chrome(service=Service(DRIVER), options=options)
        cls.addClassCleanup(cls.browser.quit)

    def setUp(self):
        self.picture = record_picture(self.folder(), self.run_snag)
        self.browser.set_window_size(1000, 700)
        self.browser.get(self.picture.as_uri())

    def run_snag(self, *command):
        snag, status = self.run_to_end("snag", *command)
        self.assertEqual(status, 0, snag.stderr)

    def tearDown(self):
        self.assertEqual(self.browser.get_log("browser"), [], "the browser's console has errors")

    def frame(self, name, depth=None):
        found = [group for group in self.browser.find_elements(By.CSS_SELECTOR, ".frame")
                 if group.find_element(By.TAG_NAME, "title").get_attribute("textContent").startswith(name)
                 and depth in (None, int(group.get_attribute("data-depth")))]  # fmt: skip
        self.assertEqual(len(found), 1, name)
        return found[0]

    def width(self, name, depth=None):
        group = self.frame(name, depth)
        return group.find_element(By.TAG_NAME, "rect").rect["width"] if group.is_displayed() else 0

    def click(self, name, depth=None):
        self.frame(name, depth).find_element(By.TAG_NAME, "rect").click()

    def text(self, identity):
        return self.browser.find_element(By.ID, identity).text.strip()

    def search(self, words):
        query = self.browser.find_element(By.ID, "query")
        query.click()  # as people do: a picture has no focus of its own
        query.send_keys(Keys.CONTROL + "a" + Keys.NULL + words)

    def press(self, key, **modifier):
        actions = webdriver.ActionChains(self.browser)
        if modifier:
            actions.key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL)
        else:
            actions.send_keys(key)
        actions.perform()

    def test_widths_are_shares_of_the_samples(self):
        whole = self.width("all")
        self.assertAlmostEqual(whole, self.browser.execute_script("return innerWidth") - 20, delta=20)
        self.assertAlmostEqual(self.width("report") / whole, 0.60, places=2)
        self.assertAlmostEqual(self.width("Lister.list") / whole, 0.20, places=2)
        self.assertAlmostEqual(self.width("get", depth=5) / whole, 0.10, places=2)

    def test_a_click_zooms_in_and_there_are_ways_back(self):
        whole = self.width("all")
        for way_back in (
            lambda: self.browser.find_element(By.ID, "reset").click(),
            lambda: self.press(Keys.ESCAPE),
            lambda: self.click("all"),
        ):
            self.click("Lister.list")
            self.assertAlmostEqual(self.width("Lister.list"), whole, delta=1)
            self.assertAlmostEqual(self.width("md5"), whole, delta=1)
            self.assertAlmostEqual(self.width("main"), whole, delta=1)
            self.assertEqual(self.width("report"), 0)
            self.assertIn("ancestor", self.frame("serve").get_attribute("class"))
            way_back()
            self.assertAlmostEqual(self.width("report") / whole, 0.60, places=2)
            self.assertFalse(self.browser.find_element(By.ID, "reset").is_displayed())

    def test_a_search_marks_what_it_finds_and_tells_its_share(self):
        self.search("get \\(|^md")
        marked = self.browser.find_elements(By.CSS_SELECTOR, ".matched")
        self.assertEqual(len(marked), 3)
        self.assertEqual(self.text("matched"), "matched 80.0 %")  # get within get counts once
        self.press(Keys.ESCAPE)
        self.assertEqual(self.browser.find_elements(By.CSS_SELECTOR, ".matched"), [])
        self.assertEqual(self.text("matched"), "")

    def test_a_search_ignores_capitals_unless_it_has_some(self):
        for words, share in (("lister", "20.0 %"), ("Lister", "20.0 %"), ("LISTER", "0.0 %")):
            self.search(words)
            self.assertEqual(self.text("matched"), f"matched {share}")

    def test_a_search_that_is_no_regular_expression_says_so(self):
        self.search("get (")
        self.assertEqual(self.text("matched"), "not a regular expression")

    def test_control_f_leads_to_the_search(self):
        self.press("f", control=True)
        self.assertEqual(self.browser.switch_to.active_element.get_attribute("id"), "query")

    def test_the_frame_under_the_pointer_is_told_in_full(self):
        webdriver.ActionChains(self.browser).move_to_element(self.frame("report")).perform()
        self.assertEqual(self.text("details"), "report (/srv/app/views.py:3)   60 samples, 60.00 %")

    def test_the_text_fits_its_frame_at_every_width(self):
        for width in (1600, 700):
            self.browser.set_window_size(width, 700)
            self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
            for group in self.browser.find_elements(By.CSS_SELECTOR, ".frame:not(.hidden)"):
                frame, text = (group.find_element(By.TAG_NAME, tag).rect for tag in ("rect", "text"))
                self.assertLessEqual(text["width"], frame["width"], group.text)

    def test_hostile_names_are_shown_as_text(self):
        self.assertEqual(self.browser.find_elements(By.TAG_NAME, "img"), [])
        shown = self.frame("<img").find_element(By.TAG_NAME, "title").get_attribute("textContent")
        self.assertIn("<img src=x onerror=alert(1)>]]>\\x1b[2J\\u202e&amp;\"' (<img", shown)

    def test_embedded_pictures_work_too(self):
        page = self.picture.with_name("page.html")
        page.write_text(f"<!DOCTYPE html><title>t</title><object data={self.picture.name} width=900 height=400></object>"
                        f"<img src={self.picture.name}>")  # fmt: skip
        self.browser.get(page.as_uri())
        image = self.browser.find_element(By.TAG_NAME, "img")
        self.assertTrue(self.browser.execute_script("return arguments[0].complete && arguments[0].naturalWidth", image))
        self.browser.switch_to.frame(self.browser.find_element(By.TAG_NAME, "object"))
        self.click("report")
        self.assertEqual(self.width("Lister.list"), 0)


if __name__ == "__main__":
    if MISSING:
        print(f"skipped: {REASON}")
        harness.truth.write_result("flamegraph_browser", Interpreter("debian"), "skipped", REASON, {})
        sys.exit(harness.truth.SKIPPED)
    harness.truth.main("flamegraph_browser")
