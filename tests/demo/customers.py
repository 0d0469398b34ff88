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
# What a customer asks for, and how often of a hundred times.
WISHES = (
    ("GET", "/products", 25),
    ("GET", "/products/1/delivery", 20),
    ("GET", "/products/2/stock", 16),
    ("POST", "/orders/1/pickup", 14),
    ("GET", "/report/later", 4),
    ("GET", "/products/3/shipping", 5),
    ("POST", "/orders", 5),
    ("GET", "/report", 4),
    ("POST", "/parcels", 4),
    ("POST", "/receipts", 3),
)


class Customer(threading.Thread):
    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self._port, self._wishes = port, random.Random(seed)
        self.served, self.ending = Counter(), False

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self.ending:
            time.sleep(self._wishes.uniform(*THINKS))
            method, path, _ = self._wishes.choices(WISHES, [weight for _, _, weight in WISHES])[0]
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
