"""The pages in a real browser, from a real server: a person's way to the first number."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from app.api.contract import openapi
from app.api.negotiation.media import BY_MEDIA_TYPE
from app.web import DOCS_POLICY, PROBLEM_POLICY, favicon
from tests.api.servers import free_port, running

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-first-run",
    "--no-proxy-server",
)
WORKED_EXAMPLE = {"probabilities": [[0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.01, 0.96]], "labels": [3, 3]}
JOBS = [path for path in openapi.document()["paths"] if path.startswith("/v1/jobs")]
POSTED = [path for path, methods in openapi.document()["paths"].items() if "post" in methods and path not in JOBS]
CROSS_ENTROPY = "0.7135581778200729"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: install the Debian package chromium"),
]


@dataclass
class Visit:
    """A page, and what a visit to it must not do."""

    page: Page
    origin: str
    foreign_requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", self._note_request)
        self.page.on("websocket", lambda websocket: self.foreign_requests.append(websocket.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note_console)

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.foreign_requests.append(request.url)

    def _note_console(self, line: ConsoleMessage) -> None:
        if line.type == "error":
            self.complaints.append(line.text)

    def assert_quiet(self) -> None:
        assert self.foreign_requests == []
        assert self.complaints == []


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server in a process of its own."""
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "app", "--port", str(port)]
    jobs = {
        "SURPRISAL_DATASET_ROOTS": str(log.parent),
        "SURPRISAL_DATABASE_URL": f"sqlite:///{log.parent}/jobs.db",
    }
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=os.environ | jobs, stdout=output, stderr=output) as server,
    ):
        try:
            _await_health(f"http://127.0.0.1:{port}/healthz", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _await_health(url: str, log: Path) -> None:
    # Repeats refused connections with growing pauses, for half a minute in all.
    with httpx.Client(transport=httpx.HTTPTransport(retries=7), timeout=10) as client:
        try:
            client.get(url).raise_for_status()
        except httpx.HTTPError as error:
            pytest.fail(f"no healthy server at {url}: {error}\n{log.read_text(errors='replace')[-4000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium with a profile of its own, made for this run."""
    # Chromium's own sandbox does not start for root, which is who runs it in containers and in CI.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *sandbox])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, origin: str) -> Iterator[Visit]:
    with browser.new_context(base_url=origin) as context:
        visit = Visit(context.new_page(), origin)
        visit.watch(context)
        yield visit


@contextmanager
def _unfolded(page: Page, path: str) -> Iterator[Locator]:
    """The operation of a path on the documentation page, open for a while."""
    operation = page.locator(".opblock").filter(has=page.locator(f'[data-path="{path}"]'))
    summary = operation.locator(".opblock-summary-control")
    summary.click()
    yield operation
    summary.click()


def _try_out(page: Page, path: str) -> Locator:
    """Open the operation of a path on the documentation page, ready to be edited and executed."""
    page.goto("/docs")
    return _opened(page, path)


def _opened(page: Page, path: str) -> Locator:
    operation = page.locator(".opblock").filter(has=page.locator(f'[data-path="{path}"]'))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    return operation


def _execute(operation: Locator) -> Locator:
    """Press Execute and return the row of the live answer, not those of the documented ones."""
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table tbody tr.response")


def test_a_person_scores_the_worked_example_in_the_docs(visit: Visit) -> None:
    operation = _try_out(visit.page, "/v1/score/multiclass")
    prefilled = json.loads(operation.locator("textarea").input_value())
    assert {name: prefilled[name] for name in WORKED_EXAMPLE} == WORKED_EXAMPLE
    answer = _execute(operation)
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer.locator(".response-col_description")).to_contain_text(CROSS_ENTROPY)
    visit.assert_quiet()


def _bottom(element: Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def test_operations_open_with_body_and_examples_on_the_first_screen_and_are_answered(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto("/docs")
    for path in POSTED:
        with _unfolded(page, path) as operation:
            shown = operation.locator(".opblock-section-request-body .highlight-code")
            expect(shown, path).to_be_visible()
            operation.evaluate("element => element.scrollIntoView()")
            assert _bottom(shown) <= 900, path
            statuses = operation.locator(".responses-table .response-col_status")
            expect(statuses, path).to_have_text(["Code", "200", "401", "403", "429", "default"])
            operation.get_by_role("button", name="Try it out").click()
            operation.evaluate("element => element.scrollIntoView()")
            assert _bottom(operation.get_by_role("button", name="Execute")) <= 900, path
            assert operation.evaluate("element => element.scrollHeight") < 2_600, path
            if not path.endswith("/rows"):
                _assert_answered(operation, path)
    visit.assert_quiet()


def _assert_answered(operation: Locator, name: str) -> None:
    answer = _execute(operation)
    expect(answer.locator(".response-col_status"), name).to_contain_text("200")
    operation.get_by_role("button", name="Clear").click()


@pytest.mark.parametrize("path", ["/v1/score/multiclass", "/v1/compare/binary"])
def test_every_example_is_answered_as_it_stands(path: str, visit: Visit) -> None:
    """Examples of other operations are sent when the document is made."""
    operation = _try_out(visit.page, path)
    for name in openapi.document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]:
        operation.locator(".examples-select-element").first.select_option(name)
        _assert_answered(operation, name)
    visit.assert_quiet()


@pytest.mark.parametrize(("path", "width"), [("/v1/score/multiclass/rows", 400), ("/v1/calibrate/binary/rows", 1400)])
def test_rows_of_every_format_are_answered_as_they_stand(visit: Visit, path: str, width: int, tmp_path: Path) -> None:
    """Text is sent as it is shown; a file is one of those that the page itself offers.

    What the page offers for other paths is sent without a browser, in tests/api/contract/test_openapi.py.
    """
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    operation = _try_out(page, path)
    body = operation.locator(".opblock-section-request-body")
    for media_type, content in openapi.document()["paths"][path]["post"]["requestBody"]["content"].items():
        body.locator(".body-param-content-type select").select_option(media_type)
        if "example" in content:
            expect(body.locator("textarea")).to_have_value(content["example"])
        else:
            format_ = BY_MEDIA_TYPE[media_type].name
            with page.expect_download() as download:
                operation.locator(".opblock-description").get_by_role("link", name=format_, exact=True).click()
            file = tmp_path / download.value.suggested_filename
            download.value.save_as(file)
            body.locator("input[type=file]").set_input_files(file)
        _assert_answered(operation, media_type)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    visit.assert_quiet()


def test_an_option_of_the_query_is_folded_and_goes_along(visit: Visit) -> None:
    operation = _try_out(visit.page, "/v1/score/tokens/rows")
    options = operation.locator("details.query-options")
    expect(options.locator("select").first).to_be_hidden()
    options.locator("summary").click()
    options.locator('[data-param-name="unit"] select').select_option("bits")
    answer = _execute(operation)
    expect(answer.locator(".response-col_description")).to_contain_text('"unit": "bits"')
    visit.assert_quiet()


def test_what_takes_no_body_is_answered_too(visit: Visit) -> None:
    visit.page.goto("/docs")
    for path in sorted(openapi.document()["paths"].keys() - {*POSTED, *JOBS}):
        with _unfolded(visit.page, path) as operation:
            operation.get_by_role("button", name="Try it out").click()
            _assert_answered(operation, path)
    visit.assert_quiet()


def test_a_job_is_handed_in_as_it_stands(visit: Visit) -> None:
    """The data set of the example comes with the service."""
    visit.page.goto("/docs")
    operation = visit.page.locator("#operations-jobs-submit_job")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    answer = _execute(operation)
    expect(answer.locator(".response-col_status")).to_contain_text("202")
    expect(answer.locator(".response-col_description")).to_contain_text('"queued"')
    visit.assert_quiet()


@pytest.mark.parametrize(
    ("path", "shows"), [("/v1/compare/binary", '"verdict"'), ("/v1/calibrate/multiclass", '"temperature"')]
)
def test_the_examples_of_other_questions_are_answered(visit: Visit, path: str, shows: str) -> None:
    answer = _execute(_try_out(visit.page, path))
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer.locator(".response-col_description")).to_contain_text(shows)
    visit.assert_quiet()


@pytest.mark.parametrize("width", [1400, 400])
def test_a_large_answer_is_shown_without_a_node_for_every_number(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    operation = _try_out(visit.page, "/v1/score/multiclass")
    body = {"probabilities": [[0.25, 0.75]] * 3000, "labels": [0] * 3000, "include": ["per_sample"]}
    operation.locator("textarea").fill(json.dumps(body))
    shown = _execute(operation).locator(".highlight-code pre").first
    expect(shown).to_contain_text("per_sample")
    assert len(shown.inner_text()) > 50_000
    assert shown.locator("span").count() == 0
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.assert_quiet()


def test_the_page_of_an_error_code_leads_to_the_docs(visit: Visit) -> None:
    page = visit.page
    answer = page.goto("/problems/invalid_input")
    assert answer is not None
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == PROBLEM_POLICY
    expect(page.locator("main code").first).to_have_text("invalid_input")
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    page.get_by_role("link", name="documentation").click()
    expect(page.locator(".opblock").first).to_be_visible()
    visit.assert_quiet()


def test_a_person_scores_under_a_path(browser: Browser) -> None:
    with running(SURPRISAL_ROOT_PATH="/scoring") as server:
        origin = f"http://127.0.0.1:{server.port}"
        with browser.new_context() as context:
            visit = Visit(context.new_page(), origin)
            visit.watch(context)
            visit.page.goto(f"{origin}/scoring/problems/invalid_input")
            visit.page.get_by_role("link", name="documentation").click()
            answer = _execute(_opened(visit.page, "/v1/score/multiclass"))
            expect(answer.locator(".response-col_status")).to_contain_text("200")
            visit.assert_quiet()


@pytest.mark.parametrize("path", ["/docs", "/problems/invalid_input"])
def test_a_page_fits_a_phone(visit: Visit, path: str) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 740})
    visit.page.goto(path)
    expect(visit.page.locator("main h1, .opblock").first).to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    visit.assert_quiet()


def test_the_icon_is_ours(visit: Visit) -> None:
    answer = visit.page.goto("/favicon.ico")
    assert answer is not None
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert hashlib.sha256(answer.body()).digest() == hashlib.sha256(favicon()).digest()


def test_a_call_to_another_host_is_stopped_and_would_be_noticed(visit: Visit) -> None:
    answer = visit.page.goto("/docs")
    assert answer is not None
    assert answer.headers["content-security-policy"] == DOCS_POLICY
    assert visit.page.evaluate("fetch('http://elsewhere.invalid/').then(() => true, () => false)") is False
    assert any("Content Security Policy" in complaint for complaint in visit.complaints)
