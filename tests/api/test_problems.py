import importlib
import pkgutil
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import anyio
import httpx
import orjson
import pytest
from structlog.typing import EventDict

import app
from app.api.negotiation.media import ROWS_TYPES
from app.api.problems import CATALOGUE, MAX_PROBLEM_BYTES, MEDIA_TYPE, answer, content
from app.core.tasks import TASKS
from app.errors import FaultyFile, StateMismatch, SurprisalError
from app.settings import Settings
from tests.api.clients import client_of, exchange_with

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/multiclass"
ROWS = f"{SCORE}/rows"
MERGE = "/v1/merge"
FIELDS = {"type", "title", "status", "code", "detail", "instance", "request_id"}


def checked(response: httpx.Response, code: str) -> dict[str, Any]:
    """The problem, after what holds for each."""
    problem: dict[str, Any] = response.json()
    assert response.headers["content-type"] == MEDIA_TYPE
    assert len(response.content) <= MAX_PROBLEM_BYTES
    assert problem.keys() == FIELDS | ({"errors", "n_errors"} if code == "invalid_input" else set())
    assert (problem["code"], problem["type"]) == (code, f"/problems/{code}")
    assert problem["status"] == response.status_code == CATALOGUE[code].status
    assert problem["title"] == CATALOGUE[code].title
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


async def errors_of(client: httpx.AsyncClient, body: object, task: str = "multiclass") -> list[tuple[str, ...]]:
    problem = checked(await client.post(f"/v1/score/{task}", json=body), "invalid_input")
    assert problem["n_errors"] == len(problem["errors"])
    return [(error["pointer"], error["code"], error["detail"]) for error in problem["errors"]]


async def test_malformed_body(client: httpx.AsyncClient) -> None:
    problem = checked(await client.post(SCORE, content=b'{"labels": [1,]}'), "malformed_body")
    assert problem["instance"] == SCORE
    assert "line 1 column 14" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "/v1/compare/other",
            "; after /v1/compare/ stands a task: binary, multiclass, multilabel, distributions, tokens",
        ),
        ("/v1/score", "; after /v1/score/ stands a task: binary, multiclass, multilabel, distributions, tokens"),
        ("/v1/calibrate/tokens", "; after /v1/calibrate/ stands a task: binary, multiclass"),
        ("/v1/scores", ""),
    ],
)
async def test_a_path_without_a_task_of_its_operation_names_them(
    path: str, words: str, client: httpx.AsyncClient
) -> None:
    problem = checked(await client.post(path, json={}), "not_found")
    assert problem["detail"] == f"nothing is served at {path}{words}"


@pytest.mark.parametrize(
    ("task", "body", "words"),
    [
        ("binary", {"labels": [1, 0], "probabilities": [90, 20]}, "if these are percent, divide them by 100"),
        ("binary", {"labels": [1, 0], "probabilities": [20, -1]}, "send them as `logits`"),
        ("binary", {"labels": [1, 0], "probabilities": [2.5, 1]}, "send them as `logits`"),
        ("binary", {"labels": [1, 0], "probabilities": [[0.9], [0.2]]}, "send the values without lists around them"),
        ("multiclass", {"labels": [[0, 1]], "probabilities": [[0.5, 0.5]]}, "one-hot rows go to `targets`"),
        (
            "binary",
            {"labels": ["a", "b"], "classes": ["a,b"], "probabilities": [0.9, 0.2]},
            "a comma does not part names: send each by itself",
        ),
    ],
)
async def test_values_that_are_nearly_right_come_with_what_to_do(
    task: str, body: dict[str, Any], words: str, client: httpx.AsyncClient
) -> None:
    assert words in (await errors_of(client, body, task))[0][2]


@pytest.mark.parametrize("path", ["/nothing", "/v1/score/unary", "/v1/score/binary/", "/docs/", "/healthz/x", "//"])
async def test_not_found(path: str, client: httpx.AsyncClient) -> None:
    problem = checked(await client.get(f"http://surprisal{path}"), "not_found")
    assert problem["instance"] == path


async def test_an_endless_path_is_cut(client: httpx.AsyncClient) -> None:
    problem = checked(await client.get("/" + "é" * 10_000), "not_found")
    assert problem["instance"] == quote("/" + "é" * 10_000)[:200]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", SCORE, "POST"),
        ("HEAD", SCORE, "POST"),
        ("POST", "/docs", "GET, HEAD"),
        ("PUT", "/v1/metrics", "GET, HEAD"),
    ],
)
async def test_method_not_allowed(method: str, path: str, allowed: str, client: httpx.AsyncClient) -> None:
    response = await client.request(method, path)
    assert response.headers["allow"] == allowed
    if method != "HEAD":
        assert allowed in checked(response, "method_not_allowed")["detail"]


@pytest.mark.parametrize(
    "accept",
    ["text/html", "text/*, image/png", "application/json;q=0, */*", "application/*;q=0.0", "application/xml"],
)
async def test_not_acceptable(accept: str, client: httpx.AsyncClient) -> None:
    response = await client.post(SCORE, content=b"{}", headers={"accept": accept})
    assert "Accept" in checked(response, "not_acceptable")["detail"]


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/*",
        "text/html, */*;q=0.1",
        "APPLICATION/JSON",
        "application/json; q=0.5",
        "*/*;q=x",
    ],
)
async def test_acceptable(accept: str, client: httpx.AsyncClient) -> None:
    checked(await client.post(SCORE, content=b"{}", headers={"accept": accept}), "invalid_input")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "text/csv; charset=utf-16"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/json"},
        {"content-type": "nonsense"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "br"},
        {"content-type": "application/json", "content-encoding": "gzip, zstd"},
    ],
)
async def test_unsupported_media_type(headers: dict[str, str], client: httpx.AsyncClient) -> None:
    for path in (SCORE, ROWS):
        problem = checked(await client.post(path, content=b"{}", headers=headers), "unsupported_media_type")
        assert "must be" in problem["detail"]
        assert "found" in problem["detail"]


@pytest.mark.parametrize("task", TASKS)
async def test_each_format_has_one_path_and_the_other_names_it(task: str, client: httpx.AsyncClient) -> None:
    json_path, rows_path = f"/v1/score/{task}", f"/v1/score/{task}/rows"
    cases = [(json_path, media_type, rows_path) for media_type in ROWS_TYPES]
    cases += [(rows_path, media_type, json_path) for media_type in ("application/json", "application/problem+json", "")]
    for path, media_type, other in cases:
        headers = {"content-type": media_type} if media_type else {}
        problem = checked(await client.post(path, content=b"{}", headers=headers), "unsupported_media_type")
        assert problem["detail"].endswith(
            f" go to {other}" if path == json_path else f"application/json goes to {other}"
        )
        assert (f'found "{media_type}"' if media_type else "found none") in problem["detail"]


async def test_rows_are_not_merged(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "text/csv"}
    checked(await client.post(f"{MERGE}/rows", content=b"", headers=headers), "not_found")


@pytest.mark.parametrize(
    ("path", "sent", "told"),
    [
        (SCORE, {"content-encoding": "br"}, {"accept-encoding": "gzip, zstd"}),
        (SCORE, {"content-type": "text/plain"}, {"accept-post": "application/json"}),
        (ROWS, {"content-type": "text/plain"}, {"accept-post": ", ".join(ROWS_TYPES)}),
        (ROWS, {"content-type": "application/json"}, {"accept-post": ", ".join(ROWS_TYPES)}),
        (MERGE, {"content-encoding": "br"}, {"accept-encoding": "identity"}),
        (MERGE, {"content-encoding": "gzip"}, {"accept-encoding": "identity"}),
        (MERGE, {"content-type": "text/plain"}, {"accept-post": "application/json"}),
        (MERGE, {"content-type": "text/csv"}, {"accept-post": "application/json"}),
    ],
)
async def test_what_would_have_been_read_is_told(
    path: str, sent: dict[str, str], told: dict[str, str], client: httpx.AsyncClient
) -> None:
    response = await client.post(path, content=b"{}", headers=sent)
    checked(response, "unsupported_media_type")
    found = {name: value for name, value in response.headers.items() if name.startswith("accept-")}
    assert found == told


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json; charset=UTF-8"},
        {"content-type": "Application/JSON", "content-encoding": "identity"},
        {"content-type": "application/problem+json"},
    ],
)
async def test_supported_media_type(headers: dict[str, str], client: httpx.AsyncClient) -> None:
    checked(await client.post(SCORE, content=b"{}", headers=headers), "invalid_input")


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_too_large_as_declared_or_as_it_comes() -> None:
    async with client_of(Settings(max_body_bytes=100)) as client:
        checked(await client.post(SCORE, content=b"{" + b" " * 98 + b"}"), "invalid_input")
        for content in (b" " * 101, chunks(b" " * 60, b" " * 60)):
            problem = checked(await client.post(SCORE, content=content), "too_large")
            assert problem["detail"].startswith("the body must hold at most 100 bytes; rows as NDJSON, CSV,")


async def test_too_many_columns() -> None:
    async with client_of(Settings(max_columns=3)) as client:
        body = {"labels": [0], "logits": [[0, 1, 2, 3]]}
        problem = checked(await client.post(SCORE, json=body), "too_large")
        assert problem["detail"] == "logits must have at most 3 columns, found 4"


async def test_request_timeout() -> None:
    async def first_half() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    async with client_of(Settings(body_timeout_seconds=0.01)) as client:
        response = await client.post(SCORE, content=first_half())
        assert "within 0.01 seconds" in checked(response, "request_timeout")["detail"]
        assert response.headers["connection"] == "close"


async def test_an_error_nobody_meant_tells_nothing(client: httpx.AsyncClient, log_lines: list[EventDict]) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b'{"labels": [1], "probabilities": [[0.125, '
        raise ZeroDivisionError("the inside")

    headers = {"content-type": "application/json", "x-request-id": "abc"}
    response = await client.post(SCORE, content=breaking(), headers=headers)
    problem = checked(response, "internal")
    assert "inside" not in response.text
    (line,) = log_lines
    assert (line["request_id"], line["log_level"], line["status"]) == ("abc", "error", 500)
    assert problem["request_id"] == "abc"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ZeroDivisionError: the inside\n")
    assert "0.125" not in str(line)


@pytest.mark.parametrize(
    ("task", "body", "error"),
    [
        ("binary", {"probabilities": [0.5]}, ("", "missing", "exactly one of labels, targets, found none")),
        ("binary", {"labels": [1]}, ("", "missing", "exactly one of probabilities, logits, found none")),
        (
            "binary",
            {"labels": [1], "logits": None},
            ("", "missing", "exactly one of probabilities, logits, found none"),
        ),
        (
            "binary",
            {"labels": [1], "targets": [1], "logits": [0.5]},
            ("", "exclusive", "exactly one of labels, targets, found labels and targets"),
        ),
        (
            "multiclass",
            {"labels": [1], "log_probabilities": [[0.0]], "logits": [[0.5]]},
            ("", "exclusive", "log_probabilities, logits, found log_probabilities and logits"),
        ),
        ("tokens", {}, ("", "missing", "must hold log_probabilities, found none")),
        ("distributions", {"logits": [[0.5]]}, ("", "missing", "must hold targets, found none")),
    ],
)
async def test_exactly_one_truth_and_one_prediction(
    task: str, body: object, error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    ((pointer, code, detail),) = await errors_of(client, body, task)
    assert (pointer, code) == error[:2]
    assert detail.endswith(error[2])


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("probs", 1, ("/probs", "unknown_field", 'multiclass scoring knows; did you mean "probabilities"?')),
        ("n_bytes", [1], ("/n_bytes", "unknown_field", "multiclass scoring knows; this one belongs to tokens")),
        ("unit", "zzz", ("/unit", "out_of_range", 'found the string "zzz"')),
        ("cluster_id", [True], ("/cluster_id/0", "wrong_type", "found true")),
        ("cluster_id", ["a", "b"], ("/cluster_id", "wrong_length", "found 2")),
        ("slices", [1], ("/slices", "wrong_type", "one value a row")),
        ("slices", {"a/b": [1.5]}, ("/slices/a~1b/0", "wrong_type", "found 1.5")),
        ("slices", {"a": None}, ("/slices/a", "wrong_type", "found null")),
        ("bootstrap", 7, ("/bootstrap", "wrong_type", "found 7")),
        ("bootstrap", {"n_resamples": 1}, ("/bootstrap/n_resamples", "out_of_range", "at least 2, found 1")),
        ("bootstrap", {"seed": "x"}, ("/bootstrap/seed", "wrong_type", 'found the string "x"')),
        ("bootstrap", {"n": 1}, ("/bootstrap/n", "unknown_field", "n_resamples or seed")),
        ("metrics", ["accuracy"], ("/metrics/0", "out_of_range", "stands in the answer without being asked for")),
        ("n_worst", 0, ("/n_worst", "out_of_range", "found 0")),
        ("threshold", 0.5, ("/threshold", "unknown_field", "knows; this one belongs to binary, multilabel")),
        ("a/b~c", 1, ("/a~1b~0c", "unknown_field", "multiclass scoring knows")),
        ("unit", "nat", ("/unit", "out_of_range", """found the string "nat"; did you mean "nats"?""")),
        ("epsilon", True, ("/epsilon", "wrong_type", "must be a number, found true")),
        ("epsilon", "0.1", ("/epsilon", "wrong_type", 'must be a number, found the string "0.1"')),
        ("epsilon", [0.1], ("/epsilon", "wrong_type", "must be a number, found a list")),
        ("epsilon", 0.5, ("/epsilon", "out_of_range", "must be less than 0.5, found 0.5")),
        ("tolerance", -1, ("/tolerance", "out_of_range", "must be at least 0, found -1")),
        ("label_smoothing", 1.5, ("/label_smoothing", "out_of_range", "must be at most 1, found 1.5")),
        ("confidence_level", 0, ("/confidence_level", "out_of_range", "must be greater than 0, found 0")),
        ("n_bins", 2.0, ("/n_bins", "wrong_type", "must be an integer, found 2.0")),
        ("n_bins", True, ("/n_bins", "wrong_type", "must be an integer, found true")),
        ("ignore_index", "x", ("/ignore_index", "wrong_type", 'must be an integer, found the string "x"')),
        ("class_weight", [1, -2], ("/class_weight/1", "out_of_range", "must be at least 0, found -2")),
        ("class_weight", {"0": 1}, ("/class_weight", "wrong_type", "must be a list, found an object")),
        ("classes", ["a", 1], ("/classes/1", "wrong_type", "must be all strings or all integers, found both")),
        ("top_k", [0], ("/top_k/0", "out_of_range", "must be at least 1, found 0")),
        ("top_k", 1, ("/top_k", "wrong_type", "must be a list, found 1")),
        ("include", ["slice"], ("/include/0", "out_of_range", 'found the string "slice"; did you mean "slices"?')),
        (
            "include",
            "per_sample",
            ("/include", "wrong_type", 'must be a list, found the string "per_sample"'),
        ),
        (
            "class_weight",
            [1] * 100_001,
            ("/class_weight", "out_of_range", "at most 100000 values, found 100001"),
        ),
    ],
)
async def test_a_wrong_option_is_named_and_located(
    field: str, value: object, error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    body = {"labels": [0], "probabilities": [[0.5, 0.5]], field: value}
    ((pointer, code, detail),) = await errors_of(client, body)
    assert (pointer, code) == error[:2]
    assert detail.endswith(error[2])


@pytest.mark.parametrize(
    ("value", "pointer", "detail"),
    [
        ("a", "/pos_weight", 'must be a number or a list, found the string "a"'),
        (True, "/pos_weight", "must be a number or a list, found true"),
        (-1, "/pos_weight", "must be at least 0, found -1"),
        ([1, -1], "/pos_weight/1", "must be at least 0, found -1"),
        ([1, "a"], "/pos_weight/1", 'must be a number, found the string "a"'),
    ],
)
async def test_where_a_number_or_a_list_may_stand_one_error_is_told(
    value: object, pointer: str, detail: str, client: httpx.AsyncClient
) -> None:
    body = {"labels": [[0]], "probabilities": [[0.5]], "pos_weight": value}
    ((found_pointer, _, found_detail),) = await errors_of(client, body, "multilabel")
    assert (found_pointer, found_detail) == (pointer, detail)


@pytest.mark.parametrize(
    ("task", "body", "pointer", "words"),
    [
        (
            "multiclass",
            {"labels": [0], "probabilities": [[1.5, -0.5]]},
            "/probabilities/0/0",
            "[0, 1], found 1.5",
        ),
        ("multiclass", {"labels": [2], "probabilities": [[0.5, 0.5]]}, "/labels/0", "found 2"),
        ("multiclass", {"labels": [0], "probabilities": [[0.5, None]]}, "/probabilities/0/1", "must"),
        ("multiclass", {"labels": [0, 0], "probabilities": [[1], [0.5, 0.5]]}, "/probabilities/1", "must"),
        ("multiclass", {"labels": [0, 0], "probabilities": [0.5, 0.5]}, "/probabilities", "must"),
        ("binary", {"labels": [2], "probabilities": [0.5]}, "/labels/0", "found 2"),
        ("binary", {"labels": [1], "probabilities": [1.2]}, "/probabilities/0", "[0, 1], found 1.2"),
        ("tokens", {"log_probabilities": [[-1], [-2, 0.5]]}, "/log_probabilities/1/1", "found 0.5"),
    ],
)
async def test_a_wrong_number_is_located(
    task: str, body: object, pointer: str, words: str, client: httpx.AsyncClient
) -> None:
    errors = await errors_of(client, body, task)
    assert errors[0][0] == pointer
    assert words in errors[0][2]


async def test_errors_of_all_places_come_together(client: httpx.AsyncClient) -> None:
    body = {"labels": [0], "unit": "x", "n_bins": 0, "zzz": 1}
    pointers = [pointer for pointer, *_ in await errors_of(client, body)]
    assert pointers == ["/zzz", "", "/unit", "/n_bins"]


async def test_a_body_full_of_errors_makes_a_short_answer(client: httpx.AsyncClient) -> None:
    nasty = "\x01" * 200
    for body, n_errors in (
        ({nasty + str(i): 1 for i in range(5000)}, 5002),
        ({"labels": [0], "logits": [[0.0]], "class_weight": [nasty] * 5000}, 5000),
        ({"probabilities": [[nasty, "é" * 200]] * 5000}, 10_000),
    ):
        problem = checked(await client.post(SCORE, json=body), "invalid_input")
        assert problem["n_errors"] == n_errors
        assert 0 < len(problem["errors"]) <= 20


def test_an_answer_that_would_be_too_long_lists_less() -> None:
    errors = [{"pointer": f"/{i}", "code": "x", "detail": "é" * 2000} for i in range(20)]
    body = content("invalid_input", "é" * 2000, "/", "id", {"errors": errors, "n_errors": 20})
    problem = orjson.loads(body)
    assert len(body) <= MAX_PROBLEM_BYTES
    assert problem["errors"] == errors[:3]
    assert (problem["n_errors"], problem["detail"]) == (20, "é" * 500)


async def test_no_value_of_the_body_is_echoed_whole(client: httpx.AsyncClient) -> None:
    secret = "s3cret" * 100
    for body in (
        {"labels": [secret], "probabilities": [[1.0]]},
        {"labels": [0], "probabilities": [[secret]]},
        {"labels": [0], "probabilities": [[1.0]], "unit": secret},
        {"labels": [0], "probabilities": [[1.0]], secret: 1},
        {"labels": [0], "probabilities": secret},
        {"labels": [secret], "probabilities": [[1.0]], "classes": [secret + "x"]},
    ):
        response = await client.post(SCORE, json=body)
        checked(response, "invalid_input")
        assert secret[:81] not in response.text


@pytest.mark.parametrize("code", CATALOGUE)
async def test_every_code_has_a_page(code: str, client: httpx.AsyncClient) -> None:
    response = await client.get(f"/problems/{code}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert code in response.text
    assert CATALOGUE[code].title in response.text


async def test_an_unknown_code_has_none(client: httpx.AsyncClient) -> None:
    checked(await client.get("/problems/nothing"), "not_found")


@pytest.mark.parametrize(
    "name", ["x" * 5000, "/" * 5000, "~" * 5000, "\u2028" * 5000, "\U0001f600" * 5000, "\x00" * 5000]
)
async def test_long_names_make_short_errors(name: str, client: httpx.AsyncClient) -> None:
    sound: dict[str, Any] = {"labels": [1, 0], "probabilities": [[0.1, 0.9], [0.5, 0.5]]}
    places: list[tuple[dict[str, Any], str]] = [
        ({"slices": {name: [1]}}, "/slices/"),
        ({"slices": {name: [1, None]}}, "/slices/"),
        ({"slices": {name + str(i): [1] for i in range(30)}}, "/slices/"),
        ({name + str(i): 1 for i in range(30)}, "/"),
        ({"labels": [name] * 2, "classes": ["a", "b"]}, "/labels/"),
        ({"unit": name}, "/unit"),
    ]
    for fields, start in places:
        problem = checked(await client.post(SCORE, json=sound | fields), "invalid_input")
        for error in problem["errors"]:
            assert error["pointer"].startswith(start)
            assert len(error["pointer"]) <= len(start) + 80 + len("/1")
            assert len(error["detail"]) <= 200


def every_error() -> set[type[SurprisalError]]:
    """The whole tree, wherever a part of it stands."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name != "app.__main__":
            importlib.import_module(module.name)
    found, new = set(), {SurprisalError}
    while new:
        found |= new
        new = {child for parent in new for child in parent.__subclasses__()} - found
    return found


async def test_every_error_has_an_answer_and_a_page(client: httpx.AsyncClient) -> None:
    errors = every_error()
    assert len(errors) >= 9
    for kind in errors:
        error = kind.__new__(kind)
        error.detail, error.headers, error.errors, error.n_errors = "the inside", {}, (), 0  # type: ignore[attr-defined]
        if isinstance(error, FaultyFile):
            error.cause, error.file, error.row = StateMismatch("a cause"), "rows.csv", 3
        exchange = exchange_with(path=SCORE)
        answered = answer(exchange, error)
        problem = orjson.loads(bytes(answered.body))
        assert problem["code"] == exchange.code == kind.code in CATALOGUE
        assert problem["status"] == answered.status_code == CATALOGUE[kind.code].status
        assert ("inside" in problem["detail"]) == (kind.code != "internal")
        assert (await client.get(problem["type"])).status_code == 200


def test_the_statuses_are_those_of_the_contract() -> None:
    assert CATALOGUE[StateMismatch.code].status == 409
    failures = {code for code, problem in CATALOGUE.items() if problem.status >= 500}
    assert failures == {"internal", "unavailable", "source_unavailable", "store_corrupt", "store_full"}
