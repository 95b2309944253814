"""The one place where an error becomes an HTTP answer, a problem of RFC 9457, and the catalogue of codes."""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import orjson
from starlette.exceptions import HTTPException

from app.api.access.refusals import Refusal
from app.api.exchange import Exchange
from app.api.negotiation.media import Unsupported
from app.api.response import Response
from app.core.tasks import TASKS
from app.errors import FaultyFile, InvalidInput, SurprisalError, Unavailable, clip
from app.service import CALIBRATED, COMPARED

MEDIA_TYPE = "application/problem+json"
MAX_PROBLEM_BYTES = 16 * 2**10
"""The longest body of a problem; errors beyond it are counted but not listed."""
MAX_DETAIL = 500
"""The most characters of `detail`."""
MAX_INSTANCE = 200
"""The most characters of the path in `instance`."""
INTERNAL = "the service failed; its log tells why under the request id"
TASKS_OF = {"score": tuple(TASKS), "compare": COMPARED, "calibrate": tuple(CALIBRATED)}


@dataclass(frozen=True, slots=True)
class Problem:
    """The meaning of a code: `text` is the page at `/problems/{code}`, with blank lines between paragraphs."""

    status: int
    title: str
    text: str


CATALOGUE = {
    "malformed_body": Problem(
        400,
        "The body cannot be read",
        "The body cannot be read as its media type and its compression say: it is not UTF-8, not "
        "JSON, not a JSON object, or not a whole archive, stream or file.\n\n"
        "JSON has no `NaN` and no `Infinity`, and numbers beyond 64-bit floating point are "
        "refused. `detail` names the place.",
    ),
    "malformed_request": Problem(
        400,
        "The request cannot be read",
        "The bytes that arrived are no request in HTTP/1.1: a bad request line, a bad header, no `Host` or two, a "
        "broken chunk of a body, more chunks a second than `GET /v1/limits` tells, or a transfer coding other "
        "than `chunked`. `CONNECT` is refused too, for this service is no proxy.",
    ),
    "unknown_host": Problem(
        400,
        "The service does not answer for this host",
        "The header `Host` is not a name that the operator has given to the service. Use the address that the operator "
        "names, or ask for this one to be added to `SURPRISAL_ALLOWED_HOSTS`.",
    ),
    "unauthorized": Problem(
        401,
        "The request needs a key",
        "The service asks for a key, and the request has none, or one that is not known. Send the key that the "
        "operator gave you as `Authorization: Bearer ...` or in the header `X-API-Key`. Nothing of the body was read.",
    ),
    "forbidden": Problem(
        403,
        "The key does not allow this",
        "The key is known, but has none of the scopes that the path needs. `detail` names them. Use another key, or "
        "ask the operator for the scope. Nothing of the body was read.",
    ),
    "outside_roots": Problem(
        403,
        "The source may not be read",
        "A source of a job lies outside the folders and buckets that the operator has named in "
        "`SURPRISAL_DATASET_ROOTS`, wherever its links and `..` lead. Move the files, or ask the operator.",
    ),
    "jobs_off": Problem(
        403,
        "Jobs are off",
        "The service reads no data sets by itself. The operator turns jobs on by naming the folders and buckets that "
        "may be read in `SURPRISAL_DATASET_ROOTS`. Or send the rows to `POST /v1/score/{task}/rows`, which takes files "
        "of any size.",
    ),
    "not_found": Problem(
        404,
        "Nothing is served at this path",
        "The path is not one of this service, or has a slash too many; the documentation lists every path. Or it is "
        "that of a job that is not yours, was deleted, or ended longer ago than the operator keeps jobs.",
    ),
    "method_not_allowed": Problem(
        405,
        "The path does not know this method",
        "The header `Allow` of the answer names the methods that it knows.",
    ),
    "not_acceptable": Problem(
        406,
        "The answer is JSON, which the request excludes",
        "The header `Accept` leaves out `application/json`. Name it, or `*/*`, or send no `Accept` at all. Losses of "
        "rows, with `include=per_sample`, are also answered as `application/vnd.apache.arrow.stream`.",
    ),
    "request_timeout": Problem(
        408,
        "The request came too slowly",
        "The request was not complete within the time that the service allows, or its body paused"
        " or came too slowly. `GET /v1/limits` lists the times and the lowest rate. Try again, "
        "send less at once, or ask the operator.",
    ),
    "state_mismatch": Problem(
        409,
        "The states do not add up",
        "States add up to one answer only if they come from requests of the same task with the "
        "same options. `detail` says what differs. Score the rows anew with one set of options.",
    ),
    "source_changed": Problem(
        409,
        "A file has changed since the job began",
        "A job reads the files that it found when it began. `detail` names the one that is another now. Submit the "
        "job anew once nothing writes to the files.",
    ),
    "idempotency_conflict": Problem(
        409,
        "The key belongs to another request",
        "The header `Idempotency-Key` names one request, so that sending it twice makes one job. The job that has the "
        "key was made from another body. Send a new key with each new request.",
    ),
    "too_large": Problem(
        413,
        "The body is too large",
        "The body has more bytes, rows or columns than the service accepts, or it would when decompressed, or what it "
        "asks for takes the processor too long; "
        "`GET /v1/limits` tells how many that are. Arrow streams, NDJSON and CSV may be far larger than JSON. Or "
        "send the rows in several requests, or ask the operator to raise the limit.",
    ),
    "unsupported_media_type": Problem(
        415,
        "The media type of the body is not supported here",
        "Text must be UTF-8. Paths that end in `/rows` take `application/x-npz`, "
        "`application/vnd.apache.arrow.stream`, `application/vnd.apache.parquet`, "
        "`application/x-ndjson` and `text/csv`. All other paths take "
        "`application/json`, also from a body without `Content-Type`.\n\n"
        "Scoring, comparing and calibrating take `Content-Encoding` `gzip`, `zstd` or none; other paths take bodies "
        "that are not compressed. `Accept-Post` or `Accept-Encoding` of the answer names what is read at its path.",
    ),
    "invalid_input": Problem(
        422,
        "The request is well-formed but breaks a rule",
        "The body can be read, but a field, an option or a number in it is not what it must be.\n\n"
        "Each entry of `errors` points at one place by a JSON pointer, such as `/probabilities/3/1` for the "
        "second number of the fourth row, says what must hold there and what was found. At most 20 are "
        "listed; `n_errors` counts them all.",
    ),
    "invalid_state": Problem(
        422,
        "A state cannot be read",
        "A state must be sent exactly as an answer held it. Send it unchanged, or score the rows anew.",
    ),
    "too_many_requests": Problem(
        429,
        "The key has sent too many requests",
        "The key may send so many requests in a time, and has sent them. Nothing of this one was read. Try again after "
        "the number of seconds in the header `Retry-After`, or send more rows in one request.",
    ),
    "head_too_large": Problem(
        431,
        "Request line and headers are too large",
        "Request line and headers are longer than the service accepts, or too many; `GET /v1/limits` tells how "
        "many. Rows belong in the body. Trailers after a body have the same size.",
    ),
    "internal": Problem(
        500,
        "The service failed",
        "This is a fault of the service, not of the request. The log has the cause under the `request_id` of "
        "the answer.",
    ),
    "store_corrupt": Problem(
        500,
        "The stored sums of a job cannot be trusted",
        "The store holds other bytes of the job than were written there, so no number is made of them. Submit the job "
        "anew; the operator should look at the disk.",
    ),
    "unavailable": Problem(
        503,
        "The service is full",
        "There is no room for the request at this moment, and nothing of it was done. Try again "
        "after the number of seconds in the header `Retry-After`.",
    ),
    "source_unavailable": Problem(
        503,
        "A disk or a bucket does not answer",
        "A file of a job could not be read, although it was tried several times: a disk fails, a connection breaks, "
        "or a bucket refuses the credentials of the workers. Submit the job again later, or ask the operator.",
    ),
    "store_full": Problem(
        507,
        "The disk of the store is full",
        "The disk on which the service keeps its jobs has no room, so no new one is taken. Jobs that are there can be "
        "read. Try again once the operator has made room; the service needs no restart.",
    ),
}
CODES = {problem.status: code for code, problem in reversed(CATALOGUE.items())}


def address(code: str, root_path: str = "") -> str:
    """The address of the page that explains a code: the `type` of its problems."""
    return f"{root_path}/problems/{code}"


def answer(exchange: Exchange, error: Exception) -> Response:
    """The problem response for an error; an error that nobody meant becomes a 500 without details."""
    path, prefix = _instance(exchange), exchange.scope.get("root_path", "")
    code, detail, headers = _facts(exchange, path, error)
    further = {"type": address(code, prefix), **_places(error)}
    exchange.code = code
    body = content(code, detail, path, exchange.request_id, further)
    return Response(body, CATALOGUE[code].status, headers, MEDIA_TYPE)


def of_job(error: Exception, job_id: str, root_path: str = "") -> bytes:
    """The body of the problem that a job has failed with; the id of the job stands for that of a request."""
    code, detail = (error.code, error.detail) if isinstance(error, SurprisalError) else ("internal", INTERNAL)
    further = {"type": address(code, root_path), **_places(error)}
    return content(code, detail, f"{root_path}/v1/jobs/{job_id}", job_id, further)


def _places(error: Exception) -> dict[str, Any]:
    """The members of a problem that say where the fault is: the file and the row of a data set, and the fields."""
    places: dict[str, Any] = {}
    if isinstance(error, FaultyFile):
        places = {"file": error.file} | ({} if error.row is None else {"row": error.row})
        error = error.cause
    if isinstance(error, InvalidInput):
        places |= {"errors": [asdict(entry) for entry in error.errors], "n_errors": error.n_errors}
    return places


def content(code: str, detail: str, instance: str, request_id: str, further: dict[str, Any] | None = None) -> bytes:
    """The body of a problem; errors that would make it longer than `MAX_PROBLEM_BYTES` are not listed.

    `further` holds more members, and replaces members that differ from the usual.
    """
    problem = CATALOGUE[code]
    members: dict[str, Any] = {
        "type": address(code),
        "title": problem.title,
        "status": problem.status,
        "code": code,
        "detail": detail[:MAX_DETAIL],
        "instance": instance,
        "request_id": request_id,
        **(further or {}),
    }
    body = orjson.dumps(members)
    while len(body) > MAX_PROBLEM_BYTES:
        members["errors"].pop()
        body = orjson.dumps(members)
    return body


def _facts(exchange: Exchange, path: str, error: Exception) -> tuple[str, str, dict[str, str]]:
    match error:
        case Unavailable():
            return error.code, error.detail, {"retry-after": str(exchange.capacity.backoff.seconds())}
        case SurprisalError() if error.code != "internal":
            return error.code, error.detail, error.headers if isinstance(error, Unsupported | Refusal) else {}
        case HTTPException(status_code=404, detail="Not Found"):
            return (
                "not_found",
                f"nothing is served at {clip(path)}{_nearby(path.removeprefix(exchange.scope.get('root_path', '')))}",
                {},
            )
        case HTTPException(status_code=405, headers={"Allow": methods}):
            allowed = methods.replace("GET", "GET, HEAD")
            return "method_not_allowed", f"the method must be one of: {allowed}", {"allow": allowed}
        case HTTPException() if error.status_code in CODES:
            return CODES[error.status_code], error.detail, dict(error.headers or {})
        case _:
            return "internal", INTERNAL, {}


def _nearby(path: str) -> str:
    """The hint for a path that names an operation without one of its tasks; empty for other paths."""
    name = next((name for name in TASKS_OF if f"{path}/".startswith(f"/v1/{name}/")), None)
    return f"; after /v1/{name}/ stands a task: {', '.join(TASKS_OF[name])}" if name else ""


def _instance(exchange: Exchange) -> str:
    """The path that the client asked for; a proxy may have taken the prefix off."""
    path, prefix = exchange.scope["path"], exchange.scope.get("root_path", "")
    return quote(path if path.startswith(f"{prefix}/") else prefix + path)[:MAX_INSTANCE]
