"""The routes, one file a noun: each parses, calls and answers."""

from app.api.routes import metrics, operations, pages, score

ROUTERS = (score.router, metrics.router, operations.router, pages.router)
