"""A WSGI application whose request waits as waiting.py does; it speaks through the pipes that the environment names."""

import os
import runpy
import sys
from pathlib import Path


def application(environment, start_response):
    with open(os.environ["SAYS"], "w") as sys.stdout, open(os.environ["HEARS"]) as sys.stdin:
        runpy.run_path(str(Path(__file__).with_name("waiting.py")))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done\n"]
