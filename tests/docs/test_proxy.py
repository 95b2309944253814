"""docs/guides/proxy.md is true: each proxy takes its file as it is, and lets through what it promises."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from ruamel.yaml import YAML

from app.settings import Settings
from tests.api.servers import Process, free_port, running
from tests.documents import Document

GUIDE = Document("docs/guides/proxy.md")
(CONFIGURATION,) = [block.code for block in GUIDE.blocks() if block.language == "nginx"]
(CADDYFILE,) = [block.code for block in GUIDE.blocks() if block.language == "caddy"]
(ENVOY_FILE,) = [block.code for block in GUIDE.blocks() if block.language == "yaml"]
ENVOY: dict[str, Any] = YAML(typ="safe").load(ENVOY_FILE)
ENVOYS_CLIENT = "127.0.0.2"
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


@contextmanager
def caddy(configuration: str, port: int, folder: Path) -> Iterator[httpx.Client]:
    """A client of Caddy, which listens on a socket file and hands on to the service."""
    if not (program := shutil.which("caddy")):
        pytest.skip("caddy is not installed")
    site = configuration.replace("\n:8080 {", f"\nhttp:// {{\n    bind unix/{folder}/socket").replace(
        ":8000", f":{port}"
    )
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n}}\n{site}")
    command = [program, "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
    homes = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with subprocess.Popen(command, cwd=folder, env=os.environ | homes, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            log = list(takewhile(lambda line: "serving initial configuration" not in line, process.stderr))
            assert (folder / "socket").exists(), log
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=f"{folder}/socket"), base_url="http://surprisal"
            ) as client:
                yield client
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def envoy(configuration: str, port: int, folder: Path) -> Iterator[httpx.Client]:
    """A client of Envoy at an address other than the one of the service, to which Envoy hands on."""
    if not (program := Path(sys.executable).with_name("envoy")).exists():
        pytest.skip("envoy is not installed: the development lock brings it for Linux and macOS")
    address = f"127.0.0.1:{free_port()}"
    site = configuration.replace("0.0.0.0, port_value: 8080", address.replace(":", ", port_value: "))
    (folder / "envoy.yaml").write_text(site.replace("port_value: 8000", f"port_value: {port}"))
    command = [str(program), "-c", "envoy.yaml", "--concurrency", "1", "--disable-hot-restart"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            log = list(takewhile(lambda line: "starting workers" not in line, process.stderr))
            assert process.poll() is None, log
            transport = httpx.HTTPTransport(local_address=ENVOYS_CLIENT, retries=3)
            with httpx.Client(
                transport=transport, base_url=f"http://{address}", headers={"host": "surprisal"}
            ) as client:
                yield client
        finally:
            process.terminate()
            process.communicate()


class Proxy(NamedTuple):
    """A proxy with its file, and the address by which it tells of the client of these tests."""

    started: Callable[[str, int, Path], AbstractContextManager[httpx.Client]]
    configuration: str
    caller: str


PROXIES = {
    "nginx": Proxy(nginx, CONFIGURATION, ""),  # the client of a socket file has no address
    "caddy": Proxy(caddy, CADDYFILE, ""),
    "envoy": Proxy(envoy, ENVOY_FILE, ENVOYS_CLIENT),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    with running(SURPRISAL_TRUSTED_PROXIES="127.0.0.1", SURPRISAL_ALLOWED_HOSTS="127.0.0.1,surprisal") as server:
        yield server


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return PROXIES[request.param]


@pytest.fixture(scope="module")
def proxied(proxy: Proxy, service: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with proxy.started(proxy.configuration, service.port, tmp_path_factory.mktemp("proxy")) as client:
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


def test_a_caller_does_not_hide_behind_a_header(proxied: httpx.Client, proxy: Proxy, service: Process) -> None:
    """The address that the proxy sees counts, and the one that the client claims does not."""
    proxied.get("/v1/limits", headers={"X-Forwarded-For": "203.0.113.7", "X-Request-ID": "who"})
    while (line := service.wait_for("request"))["request_id"] != "who":
        pass
    assert line["caller"] == proxy.caller


def test_a_host_that_is_not_named_is_refused_behind_the_proxy_too(proxied: httpx.Client) -> None:
    assert proxied.get("/v1/limits", headers={"Host": "evil.test"}).json()["code"] == "unknown_host"


def test_pauses_end_in_the_service_first() -> None:
    settings = Settings()
    seconds = {name: int(value) for name, value in re.findall(r"(\w+_timeout) (\d+)s;", CONFIGURATION)}
    assert min(seconds["client_body_timeout"], seconds["proxy_send_timeout"]) > settings.body_timeout_seconds
    assert seconds["proxy_read_timeout"] > settings.queue_timeout_seconds
    (waiting,) = re.findall(r"response_header_timeout (\d+)s", CADDYFILE)
    assert int(waiting) > settings.queue_timeout_seconds
    (listener,) = ENVOY["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    pause = int(manager["stream_idle_timeout"].removesuffix("s"))
    assert pause > max(settings.queue_timeout_seconds, settings.body_timeout_seconds)
    route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    assert (manager["request_timeout"], route["timeout"]) == ("0s", "0s")
    assert [entry["name"] for entry in manager["http_filters"]] == ["envoy.filters.http.router"]


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
