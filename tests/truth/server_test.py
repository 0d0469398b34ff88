"""The daemon goes on whatever a client sends, stops sending or stops reading, and says what it dropped."""

import os
import random
import signal
import socket
import time
import unittest
from pathlib import Path

import harness.truth
from harness.process import tracer_of, wait_until
from harness.truth import TruthTest
from harness.wire_client import Closed, LARGEST_MESSAGE, WireClient, compile_schema, varint

SCHEMA = compile_schema()
NOBODY = 65534
MOST_MEMORY = 512 << 10  # KiB that the daemon may take, whatever clients do
# For so long a client does not read while samples of many threads come; a busy machine needs longer to fill its queue.
UNREAD_SECONDS = (4, 8, 16, 32)
RANDOM_CLIENTS = 40


def memory_of(pid):
    """Resident memory in KiB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


class Server(TruthTest):
    def setUp(self):
        self.path = self.folder() / "snagd.sock"
        self.daemon = self.start("snagd", "--socket", self.path)
        self.assertTrue(wait_until(self.listens), self.daemon.stderr)

    def listens(self):
        with socket.socket(socket.AF_UNIX) as attempt:
            return attempt.connect_ex(str(self.path)) == 0

    def connect(self):
        client = WireClient(SCHEMA, self.path)
        self.addCleanup(client.close)
        return client

    def assert_serves(self):
        """It runs, and does for a new client what it is there for."""
        self.assertIsNone(self.daemon.process.poll(), f"the daemon has ended: {self.daemon.stderr}")
        client = self.connect()
        client.greet()
        client.send(dump=SCHEMA.Dump(pids=[os.getpid()]))  # the test itself is a Python
        kinds = [kind for kind, _ in client.receive_until("done", "failure")]
        self.assertIn("thread", kinds)
        self.assertEqual(kinds[-1], "done")
        client.close()
        self.assertLess(memory_of(self.daemon.pid), MOST_MEMORY)

    def assert_protocol_failure(self, client):
        """Failure{PROTOCOL} with a sentence, then the end."""
        failure = client.receive_until("failure")[-1][1]
        self.assertEqual(failure.status, SCHEMA.Failure.PROTOCOL)
        self.assertGreaterEqual(len(failure.message.split()), 3, failure.message)
        with self.assertRaises(Closed):
            client.receive()

    # ---- what clients send -----------------------------------------------------------------------------------------

    def test_hello_is_answered(self):
        self.assertEqual(self.connect().greet().protocol, 1)
        self.assert_serves()

    def test_the_example_in_the_schema(self):
        client = self.connect()
        client.send_bytes(bytes.fromhex("070a050801120178"))
        self.assertEqual(client.receive("hello").protocol, 1)

    def test_garbage(self):
        client = self.connect()
        client.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        client.half_close()
        self.assert_protocol_failure(client)
        self.assert_serves()

    def test_a_protocol_of_another_version(self):
        client = self.connect()
        client.send(hello=SCHEMA.Hello(protocol=99, program="from the future"))
        self.assert_protocol_failure(client)
        self.assert_serves()

    def test_a_request_before_hello(self):
        client = self.connect()
        client.send(list_processes=SCHEMA.ListProcesses())
        self.assert_protocol_failure(client)
        self.assert_serves()

    def test_an_empty_message(self):
        client = self.connect()
        client.greet()
        client.send_bytes(varint(0))
        self.assert_protocol_failure(client)
        self.assert_serves()

    def test_a_message_cut_short(self):
        for size in (0, 1, 3, 6):
            client = self.connect()
            client.send_bytes(bytes.fromhex("070a050801120178")[:size])
            client.close()
        client = self.connect()
        client.greet()
        client.send_bytes(varint(100) + b"x" * 50)
        client.half_close()
        with self.assertRaises(Closed):
            client.receive_until("done")
        self.assert_serves()

    def test_a_message_too_long(self):
        for size in (LARGEST_MESSAGE + 1, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1):
            with self.subTest(size=size):
                client = self.connect()
                client.greet()
                client.send_bytes(varint(size))
                self.assert_protocol_failure(client)
        self.assert_serves()

    def test_a_length_that_never_ends(self):
        client = self.connect()
        client.send_bytes(b"\xff" * 64)
        self.assert_protocol_failure(client)
        self.assert_serves()

    def test_bytes_that_are_no_message_of_ours(self):
        client = self.connect()
        client.greet()
        client.send_bytes(varint(4) + b"\xff\xff\xff\xff")
        self.assert_protocol_failure(client)
        self.assert_serves()

    def test_random_clients(self):
        chance = random.Random(11)
        for _ in range(RANDOM_CLIENTS):
            client = self.connect()
            try:
                if chance.random() < 0.7:
                    client.greet()
                client.send_bytes(bytes(chance.randrange(256) for _ in range(chance.randrange(1, 4000))))
            except (Closed, BrokenPipeError, ConnectionResetError):
                pass  # it may hang up in the middle
            client.close()
        self.assert_serves()

    def test_values_out_of_range_are_refused_and_the_connection_goes_on(self):
        client = self.connect()
        client.greet()
        me, second = os.getpid(), {"seconds": 1}
        requests = (
            dict(watch_stalls=SCHEMA.WatchStalls(pids=[me])),  # no threshold
            dict(watch_stalls=SCHEMA.WatchStalls(pids=[], threshold=second)),
            dict(watch_stalls=SCHEMA.WatchStalls(pids=[me], threshold={"seconds": -5})),
            dict(watch_stalls=SCHEMA.WatchStalls(pids=[me], threshold={"seconds": 1 << 60, "nanos": -7})),
            dict(record=SCHEMA.Record(pids=[me], rate=0, duration=second)),
            dict(record=SCHEMA.Record(pids=[me], rate=float("nan"), duration=second)),
            dict(record=SCHEMA.Record(pids=[me], rate=1e12, duration=second)),
            dict(record=SCHEMA.Record(pids=[0], rate=100, duration=second)),
            dict(record=SCHEMA.Record(pids=[-1], rate=100, duration=second)),
            dict(record=SCHEMA.Record(pids=[me], rate=100, duration={"seconds": -1})),
            dict(dump=SCHEMA.Dump(pids=[])),
        )
        for request in requests:
            with self.subTest(str(request)):
                client.send(**request)
                failure = client.receive_until("failure", "done")[-1][1]
                self.assertEqual(getattr(failure, "status", None), SCHEMA.Failure.USAGE, failure)
        self.assert_serves()

    # ---- what clients do not do ------------------------------------------------------------------------------------

    def record_fast_caller(self, client):
        return self.record_without_end(client, self.start_target("fast_caller.py"))

    def record_without_end(self, client, target):
        client.greet()
        client.send(record=SCHEMA.Record(pids=[target.pid], rate=100_000, consistency=SCHEMA.NEVER))
        client.receive_until("samples")
        return target

    def test_a_client_that_stops_reading(self):
        target = self.start_target("busy.py", "--idle-threads", 60)
        self.assertTrue(any(self.is_dropped_for(target, seconds) for seconds in UNREAD_SECONDS), "nothing was dropped")
        self.assert_serves()

    def is_dropped_for(self, target, seconds):
        """Whether samples were dropped for a client that did not read for so long, and said to be; others are served."""
        slow = self.connect()
        self.record_without_end(slow, target)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.assert_serves()
        slow.send(stop=SCHEMA.Stop())
        try:
            messages = slow.receive_until("done")
        except Closed:
            self.figure("slow reader", "closed at the hard limit")
            return True
        summary = next(message for kind, message in messages if kind == "summary")
        came = sum(len(message.stack) for kind, message in messages if kind == "samples")
        dropped = summary.lost_by_reason.get("slow reader", 0)
        self.figure("slow reader", f"{dropped} dropped, {came} came")
        self.assertLessEqual(came, summary.whole + summary.partial)
        return dropped > 0

    def test_a_client_that_goes_away_in_the_stream(self):
        client = self.connect()
        target = self.record_fast_caller(client)
        client.close()
        self.assertTrue(wait_until(lambda: tracer_of(target.pid) == 0))
        self.assert_serves()
        before = self.cpu_ticks()
        time.sleep(1)  # an idle daemon is what is looked at
        self.assertLess(self.cpu_ticks() - before, 20, "it still samples for the client that has gone")

    def cpu_ticks(self):
        fields = Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def test_stop_ends_a_request_and_the_next_one_runs(self):
        client = self.connect()
        target = self.record_fast_caller(client)
        client.send(stop=SCHEMA.Stop())
        kinds = [kind for kind, _ in client.receive_until("done")]
        self.assertIn("summary", kinds)
        client.send(dump=SCHEMA.Dump(pids=[target.pid]))
        self.assertIn("thread", [kind for kind, _ in client.receive_until("done")])

    def test_definitions_come_before_their_first_use_and_samples_add_up(self):
        client = self.connect()
        target = self.start_target("fast_caller.py")
        client.greet()
        client.send(record=SCHEMA.Record(pids=[target.pid], rate=5000, duration={"seconds": 2}, consistency=SCHEMA.NEVER))
        reader = StreamReader(self)
        messages = client.receive_until("done", "failure")
        for _, message in messages:
            reader.read(message)
        summary = next(message for kind, message in messages if kind == "summary")
        self.assertEqual(reader.samples, summary.whole + summary.partial)
        self.assertEqual(reader.partial, summary.partial)
        self.assertGreater(reader.samples, 0)

    # ---- who clients are -------------------------------------------------------------------------------------------

    def test_two_clients_at_once(self):
        first, second = self.connect(), self.connect()
        self.record_fast_caller(first)
        self.record_fast_caller(second)
        for client in (first, second):
            client.send(stop=SCHEMA.Stop())
            self.assertIn("summary", [kind for kind, _ in client.receive_until("done")])

    @unittest.skipUnless(os.geteuid() == 0, "only root can play two users")
    def test_another_user_does_not_get_at_roots_processes(self):
        target = self.start_target("counter.py")
        self.path.parent.chmod(0o755)
        self.path.chmod(0o777)
        answer = self.as_nobody(target.pid)
        self.assertEqual(answer, SCHEMA.Failure.NOT_PERMITTED)
        self.assert_serves()

    def as_nobody(self, pid):
        """The status with which the daemon refuses a dump to another user."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 99
            try:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                client = WireClient(SCHEMA, self.path)
                client.greet()
                client.send(dump=SCHEMA.Dump(pids=[pid]))
                last = client.receive_until("failure", "done")[-1][1]
                status = getattr(last, "status", 98)
            finally:
                os.write(writing, bytes([status]))
                os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            return answer.read(1)[0]

    # ---- its own end -----------------------------------------------------------------------------------------------

    def test_a_second_daemon_does_not_take_the_socket_away(self):
        second = self.start("snagd", "--socket", self.path)
        self.assertEqual(second.finish(), 1, second.stderr)
        self.assertIn(str(self.path), second.stderr)
        self.assert_serves()

    def test_a_socket_left_by_a_killed_daemon_is_taken_over(self):
        self.daemon.signal(signal.SIGKILL)
        self.daemon.finish()
        self.daemon = self.start("snagd", "--socket", self.path)
        self.assertTrue(wait_until(self.listens), self.daemon.stderr)
        self.assert_serves()

    def test_it_ends_when_told_and_takes_its_socket_along(self):
        client = self.connect()
        target = self.record_fast_caller(client)
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.finish(), 0, self.daemon.stderr)
        self.assertFalse(self.path.exists())
        self.assertEqual(tracer_of(target.pid), 0)

    def test_the_command_line_uses_it(self):
        target = self.start_target("counter.py")
        snag = self.start("snag", "stalls", target.pid, "--threshold", "50ms", "--json", "--socket", self.path)
        snag.wait_for("stall")
        self.assertEqual(snag.family(), [], "it started a daemon of its own")
        snag.signal(signal.SIGINT)
        self.assertEqual(snag.finish(), 130, snag.stderr)


class StreamReader:
    """Follows the numbers of a stream: every one is defined before it is used."""

    def __init__(self, test):
        self._test = test
        self._strings, self._frames, self._stacks, self._threads = {0}, {0}, {0}, {0}
        self.samples = self.partial = 0

    def read(self, message):
        if message.DESCRIPTOR.name == "Definitions":
            self._define(message)
        elif message.DESCRIPTOR.name == "Samples":
            self._test.assertLessEqual(set(message.thread), self._threads - {0})
            self._test.assertLessEqual(set(message.stack), self._stacks - {0})
            self._test.assertEqual(len(message.thread), len(message.stack))
            self._test.assertEqual(len(message.time_delta_ns), len(message.stack))
            self._test.assertIn(len(message.partial), (0, len(message.stack)))
            self.samples += len(message.stack)
            self.partial += sum(message.partial)

    def _define(self, definitions):
        for string in definitions.strings:
            self._strings.add(string.id)
        for frame in definitions.frames:
            self._test.assertLessEqual({frame.function, frame.file}, self._strings)
            self._frames.add(frame.id)
        for stack in definitions.stacks:
            self._test.assertIn(stack.caller, self._stacks)
            self._test.assertIn(stack.frame, self._frames - {0})
            self._stacks.add(stack.id)
        for thread in definitions.threads:
            self._test.assertIn(thread.name, self._strings)
            self._threads.add(thread.id)


if __name__ == "__main__":
    harness.truth.main("server")
