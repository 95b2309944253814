"""The pages for people, made without a framework; `api` serves them."""

from app.web.pages import ASSETS, DOCS_POLICY, PROBLEM_POLICY, SAMPLE, SAMPLE_IN_IMAGE, docs_page, favicon, problem_page

__all__ = [
    "ASSETS",
    "DOCS_POLICY",
    "PROBLEM_POLICY",
    "SAMPLE",
    "SAMPLE_IN_IMAGE",
    "docs_page",
    "favicon",
    "problem_page",
]
