"""Where the shop's neighbours are, from the environment."""

import os
from pathlib import Path

CARRIER_URL = os.environ.get("SHOP_CARRIER_URL", "http://127.0.0.1:9000")
SCANNER_PIPE = Path(os.environ.get("SHOP_SCANNER_PIPE", "/run/shop/scanner"))
BRANCHES = int(os.environ.get("SHOP_BRANCHES", "900"))
DATA = Path(os.environ.get("SHOP_DATA", "/var/lib/shop"))
