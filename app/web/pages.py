"""What a person sees: the documentation page, the page of an error code, the icon.

Pure functions from text to HTML. Every value is escaped, there is no inline script, and nothing is loaded from
another origin, so the pages work on a closed network and under the strict policies that stand beside them.
"""

import base64
import hashlib
import re
from html import escape
from http import HTTPStatus
from pathlib import Path

ASSETS = Path(__file__).parent / "swagger"
"""The folder to serve at `assets_url`: Swagger UI as published, its manifest, and our initialiser."""

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 44rem; margin: 0 auto; padding: 3rem 1.25rem; font: 1rem/1.6 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.25; }
p { margin: 1rem 0; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; font-size: .95em; }
a { color: light-dark(#0b63a5, #7cc0ff); }
.brand { margin: 0 0 2rem; font-weight: 600; }
.facts { margin: 0; color: light-dark(#555, #b0b0b0); }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid light-dark(#ddd, #444); }
"""

_ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="7" fill="#12505b"/>
<path d="M7.5 6.5C7.8 17 14 21.8 25 24.5" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round"/>
<circle cx="12.2" cy="18.4" r="3.6" fill="#ffb703" stroke="#12505b" stroke-width="1.5"/>
</svg>
"""


def _style_hash() -> str:
    return base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


_NOTHING_ELSE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# data: because Swagger UI's style sheet carries its icons in itself.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    + _NOTHING_ELSE
)
"""The Content-Security-Policy to send with `docs_page`."""

PROBLEM_POLICY = f"default-src 'none'; style-src 'sha256-{_style_hash()}'; img-src 'self'; {_NOTHING_ELSE}"
"""The Content-Security-Policy to send with `problem_page`: its own style sheet and the icon, nothing else."""


def docs_page(title: str, openapi_url: str, assets_url: str, favicon_url: str = "/favicon.ico") -> str:
    """The Swagger UI page of an OpenAPI document, as HTML.

    Args:
        title: The name of the browser tab.
        openapi_url: Where the page fetches the document, on the same origin.
        assets_url: Where `ASSETS` is served, without a slash at the end.
        favicon_url: Where `favicon` is served.
    """
    assets = escape(assets_url)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" type="image/svg+xml" href="{escape(favicon_url)}">
<link rel="stylesheet" href="{assets}/swagger-ui.css">
<script defer src="{assets}/swagger-ui-bundle.js"></script>
<script defer src="{assets}/swagger-initializer.js"></script>
</head>
<body>
<div id="swagger-ui" data-openapi-url="{escape(openapi_url)}"></div>
<noscript>This page needs JavaScript; the same document as JSON: <a href="{escape(openapi_url)}">OpenAPI</a>.</noscript>
</body>
</html>
"""


def problem_page(code: str, title: str, status: int, text: str, docs_url: str = "/docs") -> str:
    """The page that explains one error code, as HTML.

    Args:
        code: The code, as in the `code` field of the answer.
        title: The same title as in the answer.
        status: The HTTP status it comes with.
        text: What it means and what to do, in plain text: a blank line parts paragraphs, backquotes mark code.
        docs_url: Where `docs_page` is served.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(code)} · Surprisal</title>
<link rel="icon" type="image/svg+xml" href="/favicon.ico">
<style>{_STYLE}</style>
</head>
<body>
<p class="brand">Surprisal</p>
<main>
<h1>{escape(title)}</h1>
<p class="facts"><code>{escape(code)}</code>, status {status} {escape(_phrase(status))}</p>
{_paragraphs(text)}
</main>
<footer>Every error answer names its cause in <code>detail</code> and <code>errors</code>. The service's
<a href="{escape(docs_url)}">documentation</a> shows what each route accepts.</footer>
</body>
</html>
"""


def favicon() -> bytes:
    """The icon as SVG (`image/svg+xml`): the curve of -ln p, which falls to 0 as p goes to 1."""
    return _ICON.encode()


def _paragraphs(text: str) -> str:
    blocks = (block.strip() for block in re.split(r"\n\s*\n", text))
    return "\n".join(f"<p>{_inline(block)}</p>" for block in blocks if block)


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
