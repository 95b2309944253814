"""Pages for people: the documentation page, the page of an error code, the icon.

Pure functions from text to HTML. Every value is escaped, there is no inline script, and nothing is loaded
from another origin, so the pages work on a closed network and under the strict policies beside them.
"""

import base64
import hashlib
import re
from html import escape
from pathlib import Path

ASSETS = Path(__file__).parent / "swagger"
"""The folder to serve at `assets_url`: Swagger UI as published, our initialiser and style sheet."""
SAMPLE = Path(__file__).parent / "sample"
"""A small data set for jobs to try: `outcome` and `p_cat`, `p_dog`, `p_emu` as Parquet, in a folder for each `site`."""
SAMPLE_IN_IMAGE = "/srv/app/web/sample"
"""The place of the same in the container, as documents name it; a service elsewhere shows its own."""

_ICON = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="7" fill="#12505b"/>
<path d="M7.5 6.5C7.8 17 14 21.8 25 24.5" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round"/>
<circle cx="12.2" cy="18.4" r="3.4" fill="#ffb703"/>
</svg>
"""

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 44rem; margin: 0 auto; padding: 3rem 1.25rem; font: 1rem/1.6 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.25; text-wrap: balance; }
p { margin: 1rem 0; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; font-size: .95em; }
a { color: light-dark(#0b63a5, #7cc0ff); }
.brand { display: flex; align-items: center; gap: .6rem; margin: 0 0 2rem; font-weight: 600; }
.facts { margin: 0 0 1.5rem; color: light-dark(#555, #b0b0b0); }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid light-dark(#ddd, #444); }
"""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


# Inside the page rather than at an address: right under any path prefix, and one request less.
_ICON_URL = f"data:image/svg+xml;base64,{_base64(_ICON)}"

_NO_MORE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# `data:` is for the icons, ours and those inside Swagger UI's style sheet; it cannot carry a script here.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " + _NO_MORE
)
"""The Content-Security-Policy to send with `docs_page`."""

PROBLEM_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_base64(hashlib.sha256(_STYLE.encode()).digest())}'; "
    f"img-src data:; {_NO_MORE}"
)
"""The Content-Security-Policy to send with `problem_page`: its own style sheet and icon, and nothing else."""


def docs_page(title: str, openapi_url: str, assets_url: str) -> str:
    """The Swagger UI page of an OpenAPI document, as HTML.

    Args:
        title: The name of the browser tab.
        openapi_url: The address of the document, on the same origin.
        assets_url: The address of `ASSETS`, without a slash at the end.

    Returns:
        A page without inline scripts or styles, to be sent with `DOCS_POLICY`.
    """
    assets, document = escape(assets_url), escape(openapi_url)
    head = f"""<link rel="stylesheet" href="{assets}/swagger-ui.css">
<link rel="stylesheet" href="{assets}/swagger-page.css">
<script defer src="{assets}/swagger-ui-bundle.js"></script>
<script defer src="{assets}/swagger-initializer.js"></script>"""
    body = f"""<div id="swagger-ui" data-openapi-url="{document}"></div>
<noscript>Without JavaScript, read the <a href="{document}">OpenAPI document</a> itself.</noscript>"""
    return _page(title, head, body)


def problem_page(code: str, title: str, status: int, text: str, docs_url: str = "../docs") -> str:
    """The page that explains one error code, as HTML.

    Args:
        code: The `code` of the error, and the last part of its `type`.
        title: The `title` of the error.
        status: The HTTP status it comes with.
        text: The meaning and the remedy, in plain text; blank lines part paragraphs, backquotes mark code.
        docs_url: The address of `docs_page`; the default fits `/problems/{code}` and `/docs`.

    Returns:
        A page that loads nothing at all, to be sent with `PROBLEM_POLICY`.
    """
    body = f"""<p class="brand"><img src="{_ICON_URL}" alt="" width="28" height="28">Surprisal</p>
<main>
<h1>{escape(title)}</h1>
<p class="facts"><code>{escape(code)}</code> · HTTP status {status}</p>
{_paragraphs(text)}
</main>
<footer>The answer itself names the cause, in <code>detail</code> and <code>errors</code>.
What each route accepts is in the <a href="{escape(docs_url)}">documentation</a>.</footer>"""
    return _page(f"{code} · Surprisal", f"<style>{_STYLE}</style>", body)


def favicon() -> bytes:
    """The icon as SVG (`image/svg+xml`): the curve of -ln p, which falls to 0 as p goes to 1."""
    return _ICON


def _page(title: str, head: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" type="image/svg+xml" href="{_ICON_URL}">
{head}
</head>
<body>
{body}
</body>
</html>
"""


def _paragraphs(text: str) -> str:
    blocks = (block.strip() for block in re.split(r"\n\s*\n", text))
    return "\n".join(f"<p>{_with_code(block)}</p>" for block in blocks if block)


def _with_code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
