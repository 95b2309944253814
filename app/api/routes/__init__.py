"""The routes, one file a noun: each parses, calls and answers."""

from app.api.routes import calibrate, compare, limits, metrics, operations, pages, score

ROUTERS = (
    score.router,
    compare.router,
    calibrate.router,
    metrics.router,
    limits.router,
    operations.router,
    pages.router,
)
