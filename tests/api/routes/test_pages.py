import httpx
import pytest

from app import web

pytestmark = pytest.mark.anyio


async def test_the_front_page_is_the_documentation(client: httpx.AsyncClient) -> None:
    response = await client.get("/", follow_redirects=True)
    assert response.url.path == "/docs"
    assert response.headers["content-security-policy"] == web.DOCS_POLICY
    assert response.text == web.docs_page("Surprisal", "openapi.json", "docs/assets")


@pytest.mark.parametrize("path", sorted(web.ASSETS.iterdir()), ids=lambda path: str(path.name))
async def test_every_asset_is_served(path: object, client: httpx.AsyncClient) -> None:
    name = str(path).rsplit("/", 1)[1]
    response = await client.get(f"/docs/assets/{name}")
    assert response.content == (web.ASSETS / name).read_bytes()
    assert response.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize("name", ["nothing.js", "%2e%2e", "..%2fpages.py", "..%2f__init__.py", "%00", "a/b"])
async def test_nothing_else_is(name: str, client: httpx.AsyncClient) -> None:
    response = await client.get(f"http://surprisal/docs/assets/{name}")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_the_icon(client: httpx.AsyncClient) -> None:
    response = await client.get("/favicon.ico")
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.content == web.favicon()
