"""Pages for people with a browser: documentation, error codes, the icon. Nothing loads from another host."""

import asyncio
from functools import cache
from mimetypes import guess_type
from urllib.parse import quote

import orjson
from fastapi import APIRouter
from starlette.exceptions import HTTPException

from app import web
from app.api.application import BareRoute
from app.api.contract import samples
from app.api.exchange import Exchange
from app.api.negotiation.formats import FORMATS
from app.api.problems import CATALOGUE
from app.api.response import Response

HTML = "text/html"
CACHED = {"cache-control": "public, max-age=3600"}

router = APIRouter(include_in_schema=False, route_class=BareRoute)


@router.get("/")
def front(exchange: Exchange) -> Response:
    """Redirect the front page to the documentation."""
    prefix = exchange.scope["root_path"]
    return Response(status_code=307, headers={"location": quote(f"{prefix}/docs" if prefix else "docs")})


@router.get("/docs")
def docs(_: Exchange) -> Response:
    """The page of Swagger UI."""
    page = web.docs_page("Surprisal", "openapi.json", "docs/assets")
    return Response(page, headers={"content-security-policy": web.DOCS_POLICY}, media_type=HTML)


@router.get("/docs/assets/{name}")
def asset(exchange: Exchange) -> Response:
    """A file of Swagger UI, if the listing of the folder names it."""
    name = exchange.path_params["name"]
    if name not in _assets():
        raise HTTPException(404)
    return Response(_assets()[name], media_type=guess_type(name)[0], headers=CACHED)


@router.get("/docs/samples/{name}")
def sample(exchange: Exchange) -> Response:
    """The rows of an example, as a file to try."""
    name = exchange.path_params["name"]
    if name not in samples.files():
        raise HTTPException(404)
    task, format_, noun = samples.files()[name]
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(samples.sample(task, format_, noun), media_type=FORMATS[format_].media_type, headers=headers)


@router.get("/openapi.json")
async def openapi(exchange: Exchange) -> Response:
    """The contract, for machines; paths are relative to where it is served, or to the path prefix if there is one."""
    document = await asyncio.to_thread(exchange.app.openapi)  # the first call scores all examples
    if prefix := exchange.scope["root_path"]:
        document = {**document, "servers": [{"url": prefix}]}
    text = orjson.dumps(document).replace(web.SAMPLE_IN_IMAGE.encode(), str(web.SAMPLE).encode())
    return Response(text, media_type="application/json")


@router.get("/problems/{code}")
def problem(exchange: Exchange) -> Response:
    """The page that explains an error code."""
    code = exchange.path_params["code"]
    if code not in CATALOGUE:
        raise HTTPException(404)
    entry = CATALOGUE[code]
    page = web.problem_page(code, entry.title, entry.status, entry.text)
    return Response(page, headers={"content-security-policy": web.PROBLEM_POLICY}, media_type=HTML)


@router.get("/favicon.ico")
def favicon(_: Exchange) -> Response:
    """The icon."""
    return Response(web.favicon(), media_type="image/svg+xml", headers=CACHED)


@cache
def _assets() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in web.ASSETS.iterdir()}
