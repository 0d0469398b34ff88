"""A client of the daemon written from proto/snag/v1/snag.proto alone; the schema is compiled by protoc when it is needed."""

import importlib
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO = Path(__file__).resolve().parents[3] / "proto"
LARGEST_MESSAGE = 4 << 20  # bytes, by the schema
PATIENCE = 30.0  # seconds


def compile_schema():
    """The generated module snag.v1.snag_pb2."""
    folder = tempfile.mkdtemp(prefix="snag-schema-")
    subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={folder}", "snag/v1/snag.proto"], check=True)
    sys.path.insert(0, folder)
    return importlib.import_module("snag.v1.snag_pb2")


def varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


class Closed(Exception):
    """The daemon has closed the connection."""


class WireClient:
    def __init__(self, schema, path):
        self._schema = schema
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(path))
        self._pending = b""

    def send_bytes(self, data):
        self._socket.sendall(data)

    def send(self, **kind):
        """`send(dump=Dump(pids=[1]))`"""
        message = self._schema.ClientMessage(**kind).SerializeToString()
        self.send_bytes(varint(len(message)) + message)

    def greet(self):
        self.send(hello=self._schema.Hello(protocol=1, program="truth"))
        return self.receive("hello")

    def receive(self, *kinds):
        """The next message; it must be of one of these kinds, when any are given."""
        kind, message = self.receive_any()
        assert not kinds or kind in kinds, f"{kind} where {kinds} was due: {message}"
        return message

    def receive_any(self):
        """The next message, as (the field that it came in, the message)."""
        size, shift = 0, 0
        while True:
            byte = self._take(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        assert size <= LARGEST_MESSAGE, f"the daemon sent a message of {size} bytes"
        message = self._schema.ServerMessage.FromString(self._take(size))
        kind = message.WhichOneof("kind")
        return kind, getattr(message, kind)

    def receive_answer(self):
        """All messages up to the end of a request, as (kind, message); a warning is none."""
        received = [self.receive_any()]
        while received[-1][0] not in ("done", "failure"):
            received.append(self.receive_any())
        return received

    def receive_until(self, *kinds):
        """All messages up to and including the first of these kinds, as (kind, message)."""
        received = []
        while not received or received[-1][0] not in kinds:
            message = self.receive()
            received.append((kind_of(message), message))
        return received

    def _take(self, size):
        while len(self._pending) < size:
            try:
                data = self._socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed
            self._pending += data
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def half_close(self):
        self._socket.shutdown(socket.SHUT_WR)

    def close(self):
        self._socket.close()


def kind_of(message):
    """The field of ServerMessage that a message came in: `summary` of a SamplingSummary; warnings count as failures."""
    names = {"SamplingSummary": "summary", "ThreadDump": "thread"}
    name = message.DESCRIPTOR.name
    return names.get(name, name.lower())
