"""The index of paths, against the router that it stands before."""

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Match

from app.api.application import Application
from app.main import create_app
from app.settings import Settings

pytestmark = pytest.mark.anyio

METHODS = ["GET", "POST", "PUT", "OPTIONS", "get"]


def of_router(app: Application, method: str, path: str, prefix: str) -> APIRoute | None:
    """The route that FastAPI's router chooses."""
    scope = {"type": "http", "method": method, "path": path, "root_path": prefix}
    return next((r for r in app.routes if isinstance(r, APIRoute) and r.matches(scope)[0] == Match.FULL), None)


@pytest.mark.parametrize("prefix", ["", "/scores"])
def test_the_index_finds_what_the_router_finds(prefix: str) -> None:
    app = create_app(Settings(root_path=prefix))
    paths = {f"{before}{route.path}" for route in app.routes if isinstance(route, APIRoute) for before in ("", prefix)}
    paths |= {f"{path}/" for path in paths} | {path.upper() for path in paths} | {"", "/a", f"{prefix}/docs/assets/a"}
    n_found = 0
    for method in METHODS:
        for path in paths:
            expected = of_router(app, method, path, prefix)
            route = app._fixed_routes.get((method, path))
            assert route is (None if expected is None or expected.param_convertors else expected), path
            n_found += route is not None
    assert n_found >= len(app._fixed_routes) > 20


async def test_what_the_index_does_not_hold_goes_to_the_router() -> None:
    app = create_app(Settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://surprisal") as client:
        assert (await client.get("/problems/internal")).status_code == 200
        assert (await client.put("/healthz")).headers["allow"] == "GET, HEAD"
