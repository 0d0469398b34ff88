"""Loads every shared library of a folder, says so, and waits to be ended.

usage: many_libraries.py FOLDER
"""

import ctypes
import sys
from pathlib import Path

from wire import hear, ready


def main():
    libraries = [ctypes.CDLL(str(path)) for path in sorted(Path(sys.argv[1]).glob("*.so"))]
    ready(libraries=len(libraries))
    hear()


if __name__ == "__main__":
    main()
