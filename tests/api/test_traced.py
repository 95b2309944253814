"""Reports of requests to OpenTelemetry: off by default, and sent to a real collector where they are asked for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.api.servers import Process, running

SCORE = "/v1/score/binary"
BODY = json.dumps({"labels": [1, 0], "probabilities": [0.9, 0.2]})
TRACE = "0af7651916cd43dd8448eb211c80319c"


@contextmanager
def collector() -> Iterator[tuple[str, Queue[bytes]]]:
    """The address of a collector of OTLP, and the traces that it gets."""
    traces: Queue[bytes] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                traces.put(content)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write no line to standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", traces
        server.shutdown()


def asked(server: Process, method: str, path: str, body: str | None = None) -> int:
    connection = server.connection()
    connection.request(method, path, body, {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    with connection.getresponse() as response:
        response.read()
    connection.close()
    return response.status


def reported(traces: Queue[bytes]) -> list[Any]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(traces.get(timeout=20))
    return [span for part in request.resource_spans for scope in part.scope_spans for span in scope.spans]


def attributes(span: Any) -> dict[str, Any]:
    return {entry.key: entry.value.string_value or entry.value.int_value for entry in span.attributes}


def test_requests_are_reported_by_their_routes_within_the_trace_of_the_caller() -> None:
    with collector() as (address, traces):
        with running(SURPRISAL_OPENTELEMETRY="1", OTEL_EXPORTER_OTLP_ENDPOINT=address) as server:
            assert asked(server, "POST", SCORE, BODY) == 200
            assert asked(server, "GET", "/problems/internal") == 200
            assert asked(server, "POST", SCORE, "{") == 400
            assert asked(server, "GET", "/healthz") == 200
        spans = reported(traces)  # the server has sent them by its end
    found = [(attributes(span)["http.route"], attributes(span)["http.response.status_code"]) for span in spans]
    assert found == [(SCORE, 200), ("/problems/{code}", 200), (SCORE, 400)]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert b"probabilities" not in b"".join(span.SerializeToString() for span in spans)


@pytest.mark.parametrize("settings", [{}, {"SURPRISAL_OPENTELEMETRY": "0"}])
def test_nothing_is_reported_unless_it_is_asked_for(settings: dict[str, str]) -> None:
    with collector() as (address, traces):
        with running(OTEL_EXPORTER_OTLP_ENDPOINT=address, **settings) as server:
            assert asked(server, "POST", SCORE, BODY) == 200
        assert traces.empty()


def test_a_collector_that_is_not_there_is_no_reason_to_fail() -> None:
    with running(SURPRISAL_OPENTELEMETRY="1") as server:
        assert asked(server, "POST", SCORE, BODY) == 200
        assert asked(server, "GET", "/nothing") == 404
