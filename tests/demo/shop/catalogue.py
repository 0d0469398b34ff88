"""What there is to buy, and what it costs to bring it home."""

import asyncio
import sqlite3

import requests
from fastapi import APIRouter, Request

from shop import settings

router = APIRouter()

PRODUCTS = {1: "kettle", 2: "lamp", 3: "desk"}


@router.get("/products")
async def list_products():
    return PRODUCTS


@router.get("/products/{number}/shipping")
async def shipping_cost(number: int):
    """Asks the carrier, and holds up everybody while it thinks."""
    answer = requests.get(f"{settings.CARRIER_URL}/quote", params={"item": number}, timeout=5)
    return answer.json()


@router.get("/products/{number}/delivery")
async def delivery_day(number: int, request: Request):
    """Asks the same carrier, and lets the others go on."""
    answer = await request.app.state.http.get(f"{settings.CARRIER_URL}/quote", params={"item": number})
    return answer.json()


@router.get("/products/{number}/stock")
async def stock(number: int):
    return await asyncio.to_thread(count_stock, number)


def count_stock(number):
    with sqlite3.connect(settings.DATA / "stock.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS stock (product INTEGER, pieces INTEGER)")
        return {"pieces": database.execute("SELECT total(pieces) FROM stock WHERE product = ?", [number]).fetchone()[0]}
