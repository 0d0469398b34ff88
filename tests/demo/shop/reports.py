"""Figures of the month. The same report, computed on the loop and beside it."""

import asyncio

from fastapi import APIRouter, Request

from shop import settings

router = APIRouter()

# (branch, day, cents) of every sale; a real shop would ask its database, with a driver that can be awaited.
SALES = [(branch, day, 990 + branch * 37 % 400 + day) for day in range(30) for branch in range(settings.BRANCHES)]
ROUNDING = 5  # cents


def monthly_report():
    """Turnover of every branch with each sale rounded as cash is, and the best day of all."""
    turnover, days = {}, {}
    for branch, day, cents in SALES * 12:
        rounded = (cents + ROUNDING // 2) // ROUNDING * ROUNDING
        turnover[branch] = turnover[branch] + rounded if branch in turnover else rounded
        days[day] = days[day] + rounded if day in days else rounded
    best_day = max(days, key=days.get)
    return {"turnover": turnover, "best day": best_day}


@router.get("/report")
async def report():
    return monthly_report()


@router.get("/report/later")
async def report_by_a_worker(request: Request):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app.state.workers, monthly_report)
