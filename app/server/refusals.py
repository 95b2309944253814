"""The bytes of an answer to a request that the application does not hear of."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.api import problems
from app.api.response import SECURITY_HEADERS


def refusal(code: str, detail: str, request_id: str, root_path: str) -> bytes:
    """A whole answer, a problem after which the connection is closed."""
    content = problems.content(code, detail, "", request_id, {"type": problems.address(code, root_path)})
    head = (
        f"content-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\n"
        f"x-request-id: {request_id}\r\nconnection: close\r\n"
    )
    security = b"".join(b"%b: %b\r\n" % header for header in SECURITY_HEADERS.items())
    return STATUS_LINE[problems.CATALOGUE[code].status] + head.encode() + security + b"\r\n" + content
