"""The part of the document about keys: how they are sent, and how a request without the right one is answered."""

from typing import Any

from app.api.problems import CATALOGUE, MEDIA_TYPE

SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of the operator, if the service asks for keys.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key in a header of its own, where a proxy uses `Authorization` itself.",
    },
}
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}, {}]
"""The keys of all operations but open ones: one, or none, for only a service that has keys asks for them. They stand
once for all, since generators that find them at an operation take a key for required there."""
HEADERS: dict[str, Any] = {
    "Challenge": {
        "description": "The scheme that keys are sent by, and what is wrong with the one that was sent.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {"description": "Seconds until another try can succeed.", "schema": {"type": "integer"}},
}
_REFUSED_WITH = {
    "401": ("Unauthorized", "unauthorized", "WWW-Authenticate", "Challenge"),
    "403": ("Forbidden", "forbidden", "WWW-Authenticate", "Challenge"),
    "429": ("TooManyRequests", "too_many_requests", "Retry-After", "RetryAfter"),
}


def _response(code: str, header: str, name: str) -> dict[str, Any]:
    headers = {
        "X-Request-ID": {"$ref": "#/components/headers/RequestId"},
        header: {"$ref": f"#/components/headers/{name}"},
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    text = f"{CATALOGUE[code].title}: [{code}](problems/{code})."
    return {"description": text, "headers": headers, "content": content}


RESPONSES = {component: _response(code, *header) for component, code, *header in _REFUSED_WITH.values()}
REFUSALS = {
    status: {"$ref": f"#/components/responses/{component}"} for status, (component, *_) in _REFUSED_WITH.items()
}
"""The answers that an operation has beside its others, if a key may be asked for."""
