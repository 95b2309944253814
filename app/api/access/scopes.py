"""The one table of what a key must be allowed to do before a route is called."""

from typing import Literal, TypeAlias, get_args

Scope: TypeAlias = Literal["score", "jobs", "read", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""The scopes of keys; `admin` stands for all of them."""
OPEN: tuple[Scope, ...] = ()
"""The need of a route that asks for no key."""

NEEDS: dict[str, tuple[Scope, ...]] = {
    # Probes come from the platform, which has no key, and tell nothing.
    "/healthz": OPEN,
    "/readyz": OPEN,
    # Pages are the same for everybody and stand in the source; a browser sends no key for them.
    "/": OPEN,
    "/docs": OPEN,
    "/openapi.json": OPEN,
    "/problems": OPEN,
    "/favicon.ico": OPEN,
    # Whoever may send rows needs to know what may be sent.
    "/v1/limits": ("score", "jobs", "read"),
    "/v1/metrics": ("score", "jobs", "read"),
    "/v1/score": ("score",),
    "/v1/compare": ("score",),
    "/v1/calibrate": ("score",),
    "/v1/merge": ("score",),
    "/v1/jobs": ("jobs",),
    # Counters tell how much is scored, and when.
    "/metrics": ("read",),
}
"""The scopes of which a key must have one, by the beginning of a path. All other paths are for `admin` alone."""


def needs(template: str) -> tuple[Scope, ...]:
    """The scopes of which a key needs one to call a route, by the template of its path; none if it is open.

    >>> needs("/v1/score/{task}/rows")
    ('score',)
    >>> needs("/healthz")
    ()
    >>> needs("/v1/nothing")
    ('admin',)
    """
    parts = template.split("/")
    return NEEDS.get("/".join(parts[: 3 if parts[1] == "v1" else 2]), ("admin",))
