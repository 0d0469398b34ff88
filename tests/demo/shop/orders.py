"""Buying: the payment, the parcel's label, the receipt."""

import asyncio
import itertools
import os
import time

from fastapi import APIRouter

from shop import settings

router = APIRouter()
order_numbers = itertools.count(1)


@router.post("/orders")
async def place_order():
    number = next(order_numbers)
    wait_for_payment(number)
    return {"order": number}


def wait_for_payment(number):
    """The terminal needs a moment; so does, meanwhile, every other customer."""
    for _attempt in range(2):
        time.sleep(0.12)


@router.post("/orders/{number}/pickup")
async def announce_pickup(number: int):
    await asyncio.sleep(0.2)  # the warehouse's gate
    return {"order": number}


@router.post("/parcels")
async def scan_parcel():
    return {"label": read_scanner()}


def read_scanner():
    with open(settings.SCANNER_PIPE) as scanner:
        return scanner.readline().strip()


@router.post("/receipts")
async def store_receipts():
    """Every receipt must be on the disk before the next one."""
    with open(settings.DATA / "receipts.log", "a") as journal:
        for line in range(40):
            append_receipt(journal, line)
    return {"stored": True}


def append_receipt(journal, line):
    journal.write(f"receipt {line} paid {time.time()}\n")
    journal.flush()
    os.fsync(journal.fileno())
