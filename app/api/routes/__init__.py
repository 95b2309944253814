"""The routes, one file a noun: each parses, calls and answers."""

from app.api.routes import calibrate, compare, metrics, operations, pages, score

ROUTERS = (score.router, compare.router, calibrate.router, metrics.router, operations.router, pages.router)
