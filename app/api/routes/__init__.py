"""The routes, one file a noun: each parses, calls and answers."""

from app.api.routes import calibrate, compare, jobs, limits, merge, metrics, operations, pages, rows, score

ROUTERS = (
    score.router,
    rows.router,
    compare.router,
    calibrate.router,
    merge.router,
    jobs.router,
    metrics.router,
    limits.router,
    operations.router,
    pages.router,
)
