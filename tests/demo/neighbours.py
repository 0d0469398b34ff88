"""The shop's slow neighbours: a carrier that thinks before it answers, and a scanner on a named pipe.

usage: neighbours.py PIPE   Prints the carrier's URL; ends when its standard input is closed.
"""

import contextlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CARRIER_THINKS = 0.35  # seconds
SCANNER_NEEDS = 0.25


class Carrier(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(CARRIER_THINKS)
        body = json.dumps({"days": 3, "cents": 490}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def scan(pipe):
    """A label a while after each time that somebody opens the pipe to read."""
    for number in range(1, sys.maxsize):
        # Opens when a reader does; that may be the one before, who has its label and is about to close.
        with contextlib.suppress(BrokenPipeError), open(pipe, "w") as scanner:
            time.sleep(SCANNER_NEEDS)
            scanner.write(f"parcel {number}\n")


def main():
    pipe = sys.argv[1]
    carrier = ThreadingHTTPServer(("127.0.0.1", 0), Carrier)
    threading.Thread(target=carrier.serve_forever, daemon=True).start()
    threading.Thread(target=scan, args=(pipe,), daemon=True).start()
    print("http://%s:%d" % carrier.server_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # the scanner may wait for a reader


if __name__ == "__main__":
    main()
