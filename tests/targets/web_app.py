"""A web application for gunicorn and uvicorn that accounts for each block: a line {pid, start, end, function} to $SNAG_ACCOUNT.

`wsgi` for synchronous workers, `asgi` for those with a loop. Each request blocks for 200 ms.
"""

import json
import os
import time

BLOCK = 0.2  # seconds


def account(function, start):
    line = json.dumps(dict(pid=os.getpid(), function=function, start=start, end=time.monotonic_ns()))
    descriptor = os.open(os.environ["SNAG_ACCOUNT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode() + b"\n")  # one write: lines of several processes do not mix
    os.close(descriptor)


def answer_slowly():
    start = time.monotonic_ns()
    time.sleep(BLOCK)
    account("answer_slowly", start)


def wsgi(environ, start_response):
    answer_slowly()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [str(os.getpid()).encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    answer_slowly()
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
