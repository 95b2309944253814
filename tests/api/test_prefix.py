"""The service under a path: behind a proxy that takes the path off or passes it on, or inside another application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import Settings

pytestmark = pytest.mark.anyio

PREFIX = "/scoring/a-b"
SITE = f"http://surprisal{PREFIX}"


def passing_on(app: ASGIApp) -> ASGIApp:
    """A proxy that passes the path on as it is."""
    return app


def taking_off(app: ASGIApp) -> ASGIApp:
    """A proxy that takes the prefix off, and knows nothing outside it."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(PREFIX)
        assert path != scope["path"]
        await app({**scope, "path": path or "/"}, receive, send)

    return proxy


def mounted(app: ASGIApp) -> ASGIApp:
    """An application that has this one at the prefix."""
    return Starlette(routes=[Mount(PREFIX, app)])


@asynccontextmanager
async def client_behind(outer: Callable[[ASGIApp], ASGIApp], root_path: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(root_path=root_path))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(outer(app))) as client,
    ):
        yield client


WAYS = [(passing_on, PREFIX), (taking_off, PREFIX), (mounted, ""), (mounted, PREFIX)]
BLIND = (taking_off, "")
"""The service is not told of the prefix: what its pages lead to is right all the same."""


class Addresses(HTMLParser):
    """The addresses to which a page leads."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self._base = str(page.url)
        self.found: list[str] = []
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        for name, value in attrs:
            if name in {"href", "src", "data-openapi-url"} and value and not value.startswith("data:"):
                self.found.append(urljoin(self._base, value))


@pytest.mark.parametrize(("outer", "root_path"), [*WAYS, BLIND])
async def test_pages_lead_to_pages(outer: Callable[[ASGIApp], ASGIApp], root_path: str) -> None:
    async with client_behind(outer, root_path) as client:
        for path in ("/", "/docs", "/problems/invalid_input"):
            page = await client.get(SITE + path, follow_redirects=True)
            assert page.status_code == 200
            addresses = Addresses(page).found
            assert addresses
            for address in addresses:
                assert address.startswith(f"{SITE}/")
                assert (await client.get(address)).status_code == 200


@pytest.mark.parametrize(("outer", "root_path"), [*WAYS, BLIND])
async def test_the_document_says_where_its_paths_begin(outer: Callable[[ASGIApp], ASGIApp], root_path: str) -> None:
    async with client_behind(outer, root_path) as client:
        document = await client.get(f"{SITE}/openapi.json")
        (server,) = document.json()["servers"]
        base = urljoin(str(document.url), server["url"]).rstrip("/")
        assert base == SITE
        assert "/v1/metrics" in document.json()["paths"]
        assert (await client.get(f"{base}/v1/metrics")).status_code == 200


@pytest.mark.parametrize(("outer", "root_path"), WAYS)
async def test_a_problem_leads_to_its_page(outer: Callable[[ASGIApp], ASGIApp], root_path: str) -> None:
    async with client_behind(outer, root_path) as client:
        for method, path in (("POST", "/v1/score/binary"), ("GET", "/nothing"), ("PUT", "/docs")):
            refused = await client.request(method, SITE + path)
            problem = refused.json()
            assert problem["instance"] == f"{PREFIX}{path}"
            assert problem["type"] == f"{PREFIX}/problems/{problem['code']}"
            page = await client.get(urljoin(str(refused.url), problem["type"]))
            assert (page.status_code, problem["title"] in page.text) == (200, True)


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize(("outer", "root_path"), [*WAYS[:2], WAYS[3]])
async def test_the_prefix_is_the_front_page(outer: Callable[[ASGIApp], ASGIApp], root_path: str, path: str) -> None:
    async with client_behind(outer, root_path) as client:
        page = await client.get(SITE + path, follow_redirects=True)
        assert (page.status_code, str(page.url)) == (200, f"{SITE}/docs")


@pytest.mark.parametrize("path", [f"{PREFIX}{PREFIX}/docs", f"{PREFIX}x/docs", "/scoring", "/scoring/docs"])
async def test_nothing_else_is_served(path: str) -> None:
    async with client_behind(passing_on, PREFIX) as client:
        assert (await client.get(f"http://surprisal{path}")).status_code == 404
