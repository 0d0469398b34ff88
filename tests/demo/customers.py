"""The shop's customers: a few threads that ask for this and that, over and over.

usage: customers.py PORT   Ends when its standard input is closed, and then prints {path: requests served} as JSON.
"""

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter

CUSTOMERS = 6
THINKS = (0.05, 0.35)  # seconds between two wishes
SEED = 7
# What customers ask for, and how often in each round of fifty.
WISHES = (
    ("GET", "/products", 13),
    ("GET", "/products/1/delivery", 10),
    ("GET", "/products/2/stock", 8),
    ("POST", "/orders/1/pickup", 7),
    ("GET", "/report/later", 2),
    ("GET", "/products/3/shipping", 3),
    ("POST", "/orders", 2),
    ("GET", "/report", 2),
    ("POST", "/parcels", 2),
    ("POST", "/receipts", 1),
)


def rounds_of_wishes():
    """All of them in each round, so that even a short demo sees every handler; in ever another order."""
    order = random.Random(SEED)
    wishes = [(method, path) for method, path, times in WISHES for _ in range(times)]
    while True:
        order.shuffle(wishes)
        yield from wishes


class Customer(threading.Thread):
    _wishes, _turn = rounds_of_wishes(), threading.Lock()

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self._port, self._pace = port, random.Random(seed)
        self.served, self.ending = Counter(), False

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self.ending:
            time.sleep(self._pace.uniform(*THINKS))
            with self._turn:
                method, path = next(self._wishes)
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self.served["(failed)"] += 1
                continue
            self.served[path if answer.status == 200 else "(failed)"] += 1


def main():
    customers = [Customer(int(sys.argv[1]), seed) for seed in range(CUSTOMERS)]
    for customer in customers:
        customer.start()
    sys.stdin.read()
    for customer in customers:
        customer.ending = True
    print(json.dumps(sum((customer.served for customer in customers), Counter())))


if __name__ == "__main__":
    main()
