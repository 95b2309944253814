"""The service as it answers: busy, gone, not there, something else; and the client that awaits."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from surprisal_client import AsyncClient, Client, InputError, ServiceError, local
from tests.conftest import ROOT
from tests.data import classes, events

LABELS, PROBABILITIES = classes(5000)
NOWHERE = "http://127.0.0.1:1"


def test_catalogue_and_limits(client: Client) -> None:
    assert "cross_entropy" in [entry["name"] for entry in client.metrics()]
    assert client.limits()["max_rows"] > 0


def test_awaited_calls_have_the_same_answers(client: Client, url: str) -> None:
    y, good, bad = events(300)

    async def all_of_them() -> list[Any]:
        async with AsyncClient(url) as awaited:
            return [
                await awaited.score(LABELS, PROBABILITIES),
                await awaited.compare(labels=y, candidates={"a": good, "b": bad}, baseline="a"),
                await awaited.calibrate(y, good),
                await awaited.apply(await awaited.calibrate(y, good), probabilities=bad),
                await awaited.apply(await awaited.calibrate(y, good), probabilities=[]),
                await awaited.merge([(await awaited.score(y, good, include=["state"])).state]),
                await awaited.metrics(),
                await awaited.limits(),
            ]

    score, compared, calibrated, applied, empty, merged, metrics, limits = asyncio.run(all_of_them())
    assert score.answer == client.score(LABELS, PROBABILITIES).answer
    assert compared["b"].verdict == "worse"
    assert calibrated.answer == client.calibrate(y, good).answer
    assert applied.tolist() == client.apply(calibrated, probabilities=bad).tolist()
    assert empty.size == 0
    assert merged.answer["metrics"] == client.score(y, good).answer["metrics"]
    assert (metrics, limits) == (client.metrics(), client.limits())


def test_awaited_calls_run_side_by_side(url: str) -> None:
    async def several() -> list[Any]:
        async with AsyncClient(url) as awaited:
            return await asyncio.gather(*(awaited.score(LABELS, PROBABILITIES) for _ in range(5)))

    assert len({found.cross_entropy.value for found in asyncio.run(several())}) == 1


def test_an_awaited_call_is_cancelled_while_its_rows_are_read(url: str) -> None:
    begun, done = Event(), Event()

    def batches() -> Iterator[Any]:
        yield LABELS, PROBABILITIES
        begun.set()
        done.wait(30)

    async def cancelled() -> None:
        async with AsyncClient(url) as awaited:
            call = asyncio.create_task(awaited.score(batches()))
            await asyncio.to_thread(begun.wait, 30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            done.set()

    asyncio.run(cancelled())


def test_awaited_errors_are_the_same(url: str) -> None:
    async def wrong(address: str, **fields: Any) -> None:
        async with AsyncClient(address) as awaited:
            await awaited.score(**fields)

    with pytest.raises(InputError, match=r"probabilities\[0\]: must lie"):
        asyncio.run(wrong(url, labels=[1], probabilities=[1.5]))
    with pytest.raises(ServiceError, match=f"no service answers at {NOWHERE}"):
        asyncio.run(wrong(NOWHERE, labels=[1], probabilities=[0.5]))


def test_a_service_that_is_not_there() -> None:
    with pytest.raises(ServiceError, match=f"no service answers at {NOWHERE}: "):
        Client(NOWHERE).limits()


def test_progress_counts_rows_and_bytes(url: str) -> None:
    seen: list[tuple[int, int, int | None]] = []
    with Client(url, on_progress=lambda sent: seen.append((sent.n_rows, sent.n_bytes, sent.total_rows))) as client:
        client.score(np.tile(LABELS, 20), np.tile(PROBABILITIES, (20, 1)))
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][2] == 100_000


def batches_until(pid: int) -> Iterator[Any]:
    """Yield batches, and end the service after the third."""
    for number in range(200):
        if number == 3:
            os.kill(pid, signal.SIGKILL)
        yield LABELS, PROBABILITIES


def test_a_service_that_goes_away_in_the_middle_is_told_with_what_was_sent() -> None:
    with local.started(ROOT) as service, Client(service.url) as client:
        told = rf"the service at {service.url} went away after [\d,]+ bytes, [\d,]+ rows, were sent: "
        with pytest.raises(ServiceError, match=told):
            client.score(batches_until(service.pid))


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A service whose only key may send one request a second, and the key."""
    keys = str(tmp_path_factory.mktemp("keys") / "keys")
    command = [str(ROOT / ".venv-dev/bin/python"), "-m", "app", "keys", "new", "--name", "tests", "--scopes", "score"]
    command += ["--rate", "1/second", "--file", keys]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    token = made.stdout.split()[-1]
    with local.started(ROOT, {"SURPRISAL_API_KEYS_FILE": keys}) as service:
        yield service.url, token


def test_a_busy_service_is_waited_for(limited: tuple[str, str]) -> None:
    with Client(limited[0], key=limited[1]) as client:
        assert len({client.score(LABELS, PROBABILITIES).cross_entropy.value for _ in range(3)}) == 1


def test_waiting_has_a_bound(limited: tuple[str, str]) -> None:
    with Client(limited[0], key=limited[1], max_wait_seconds=0) as client:
        errors = [error for _ in range(5) if (error := error_of(client))]
    assert {(error.status, error.code) for error in errors} == {(429, "too_many_requests")}


def error_of(client: Client) -> ServiceError | None:
    try:
        client.score(labels=[1], probabilities=[0.5])
    except ServiceError as error:
        return error
    return None


def test_a_wrong_key_is_told(limited: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_KEY", "no such token")
    with Client(limited[0]) as client, pytest.raises(ServiceError, match="key") as raised:
        client.limits()
    assert raised.value.status == 401


class Something(BaseHTTPRequestHandler):
    """A server that is no Surprisal service."""

    def do_GET(self) -> None:
        self.send_response(502 if self.path.endswith("metrics") else 404 if "limits" in self.path else 200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_something_else_at_the_address_is_told() -> None:
    with HTTPServer(("127.0.0.1", 0), Something) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}") as client:
                with pytest.raises(ServiceError, match="answered 502 without a problem: is it a Surprisal service"):
                    client.metrics()
                with pytest.raises(InputError, match="answered 404 without a problem"):
                    client.limits()
        finally:
            server.shutdown()
            thread.join()


def test_a_folder_that_is_no_checkout_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceError, match="is no checkout of the service"), local.started(tmp_path):
        pass
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").touch()
    with pytest.raises(ServiceError, match="has no environment: run `make env` there"), local.started(tmp_path):
        pass
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir("/")
    with pytest.raises(ServiceError, match="no service to start"), local.started():
        pass


def test_a_service_that_does_not_start_shows_its_words() -> None:
    with (
        pytest.raises(ServiceError, match=r"(?s)the service did not start: .*SURPRISAL_MAX_THREADS"),
        local.started(ROOT, {"SURPRISAL_MAX_THREADS": "none"}),
    ):
        pass


def test_the_image_is_run_where_there_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir("/")
    with pytest.raises(ServiceError, match=r"run --rm -p 127.0.0.1:\d+:8000 surprisal"), local.started():
        pass


def test_an_address_has_a_scheme() -> None:
    with pytest.raises(InputError, match=r'url: must begin with http:// or https://, found "localhost:8000"'):
        Client("localhost:8000")
