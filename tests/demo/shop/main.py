"""The application: routes, and what lives as long as it does."""

from concurrent.futures import ProcessPoolExecutor

import httpx
from fastapi import FastAPI

from shop import catalogue, orders, reports

app = FastAPI(title="shop")
app.include_router(catalogue.router)
app.include_router(orders.router)
app.include_router(reports.router)


@app.on_event("startup")
async def open_connections():
    app.state.http = httpx.AsyncClient(timeout=5.0)
    app.state.workers = ProcessPoolExecutor(max_workers=1)


@app.on_event("shutdown")
async def close_connections():
    await app.state.http.aclose()
    app.state.workers.shutdown()
