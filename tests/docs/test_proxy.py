"""docs/guides/proxy.md is true: nginx takes the file as it is, and lets through what it promises."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.api.servers import Process, running
from tests.documents import Document

GUIDE = Document("docs/guides/proxy.md")
(CONFIGURATION,) = [block.code for block in GUIDE.blocks() if block.language == "nginx"]
FRAME = """
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {configuration}
}}
"""


@contextmanager
def nginx(configuration: str, port: int, folder: Path) -> Iterator[httpx.Client]:
    """A client of nginx, which listens on a socket file and hands on to the service."""
    if not (program := shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")):
        pytest.skip("nginx is not installed")
    listening = configuration.replace("listen 8080", f"listen unix:{folder}/socket").replace(":8000", f":{port}")
    (folder / "nginx.conf").write_text(FRAME.format(configuration=listening))
    command = [program, "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]
    subprocess.run(command, check=True)  # returns once the socket is there
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=f"{folder}/socket"), base_url="http://surprisal") as client:
            yield client
    finally:
        subprocess.run([*command, "-s", "stop"], check=True)


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def proxied(service: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with nginx(CONFIGURATION, service.port, tmp_path_factory.mktemp("nginx")) as client:
        yield client


def test_an_answer_is_that_of_the_service(proxied: httpx.Client) -> None:
    body = {"labels": [1, 0], "probabilities": [0.8, 0.1]}
    answer = proxied.post("/v1/score/binary", json=body, headers={"X-Request-ID": "from-outside"})
    assert answer.json()["n_scored"] == 2
    assert answer.headers["X-Request-ID"] == "from-outside"


def test_a_body_beyond_the_default_of_nginx_passes(proxied: httpx.Client) -> None:
    answer = proxied.post("/v1/score/binary", json={"labels": [1] * 200_000, "probabilities": [0.125] * 200_000})
    assert answer.json()["n_scored"] == 200_000
    refused = proxied.post("/v1/score/binary", content=b" " * (Settings().max_body_bytes + 1))
    assert refused.json()["code"] in ("too_large", "unsupported_media_type")


def test_rows_reach_the_service_while_they_are_sent(proxied: httpx.Client, service: Process) -> None:
    seen: list[int] = []

    def rows() -> Iterator[bytes]:
        row = json.dumps({"labels": 1, "probabilities": 0.5}).encode() + b"\n"
        for _ in range(10_000):
            yield row
            if seen:
                return
            counters = httpx.get(f"http://127.0.0.1:{service.port}/metrics").text
            (in_flight,) = re.findall(r"^surprisal_in_flight (\d)", counters, re.MULTILINE)
            seen.extend([int(in_flight)] if int(in_flight) > 1 else [])

    headers = {"Content-Type": "application/x-ndjson"}
    answer = proxied.post("/v1/score/binary/rows", content=rows(), headers=headers)
    assert answer.status_code == 200
    assert seen


def test_pauses_end_in_the_service_first() -> None:
    settings = Settings()
    seconds = {name: int(value) for name, value in re.findall(r"(\w+_timeout) (\d+)s;", CONFIGURATION)}
    assert min(seconds["client_body_timeout"], seconds["proxy_send_timeout"]) > settings.body_timeout_seconds
    assert seconds["proxy_read_timeout"] > settings.queue_timeout_seconds


@pytest.mark.parametrize("upstream", [":8000;", ":8000/;"], ids=["path passed on", "path taken off"])
def test_the_service_answers_under_a_path(upstream: str, tmp_path: Path) -> None:
    below = re.findall(r"`(location /\w+/ \{)`", GUIDE.text)[0]
    (setting,) = re.findall(r"^SURPRISAL_ROOT_PATH=(\S+)", GUIDE.text, re.MULTILINE)
    configuration = CONFIGURATION.replace("location / {", below).replace(":8000;", upstream)
    with running(SURPRISAL_ROOT_PATH=setting) as server, nginx(configuration, server.port, tmp_path) as client:
        refused = client.post(f"{setting}/v1/score/binary", json={"labels": [1], "probabilities": [0.5, 2]})
        assert refused.json()["type"] == f"{setting}/problems/invalid_input"
        assert client.get(refused.json()["type"]).status_code == 200
        page = client.get(f"{setting}/docs").text
        script = re.findall(r'src="([^"]+bundle\.js)"', page)[0]
        assert client.get(httpx.URL(f"http://surprisal{setting}/docs").join(script)).status_code == 200
        assert client.get(f"{setting}/openapi.json").json()["servers"] == [{"url": setting}]
