"""The pages a person sees, without a framework: `api` serves what these functions return."""

from app.web.pages import ASSETS, DOCS_POLICY, PROBLEM_POLICY, docs_page, favicon, problem_page

__all__ = ["ASSETS", "DOCS_POLICY", "PROBLEM_POLICY", "docs_page", "favicon", "problem_page"]
