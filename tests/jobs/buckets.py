"""Buckets on loopback: moto's server of the protocol of S3, and a proxy before it that refuses and breaks off."""

import http.client
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pyarrow import fs

from tests.api.servers import free_port

KEY, SECRET = "AKIASURPRISALTESTKEY", "the-secret-of-the-test-bucket"
START_SECONDS = 60
_RESET = struct.pack("ii", 1, 0)
"""The option SO_LINGER that makes closing a socket a reset."""
_SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


def credentials(port: int, key: str = KEY) -> dict[str, str]:
    """The environment of a process that reads the buckets behind a port."""
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",  # else the library asks an address outside for credentials
    }


@dataclass(frozen=True)
class Buckets:
    """A running server of buckets."""

    port: int

    def files(self) -> fs.S3FileSystem:
        """The buckets as their owner sees them."""
        return fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            region="us-east-1",
            endpoint_override=f"127.0.0.1:{self.port}",
            scheme="http",
            allow_bucket_creation=True,
        )

    def upload(self, folder: Path, bucket: str) -> None:
        """Make a bucket of all files of a folder."""
        files = self.files()
        files.create_dir(bucket)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with files.open_output_stream(f"{bucket}/{path.relative_to(folder)}") as stream:
                stream.write(path.read_bytes())

    def check_keys(self, unchecked_requests: int) -> None:
        """Let so many requests pass, and then refuse keys that nobody was given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        connection.request("POST", "/moto-api/reset-auth", str(unchecked_requests))
        assert connection.getresponse().status == 200
        connection.close()


@contextmanager
def serving_buckets() -> Iterator[Buckets]:
    """Run moto's server as a process of its own."""
    port = free_port()
    program = Path(sys.executable).with_name("moto_server")
    process = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        yield Buckets(port)
    finally:
        process.kill()
        process.wait()


def wait_for_port(port: int, seconds: float = START_SECONDS) -> None:
    """Wait until something listens on a port of loopback."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nothing listens on {port} after {seconds} s"
        time.sleep(0.05)


class BadWeather(ThreadingHTTPServer):
    """A proxy that treats some of the requests badly, by their number.

    Attributes:
        slow_down_every: The proxy itself answers each request of that number with 503 SlowDown.
        reset_every: It breaks the connection in the middle of the body of each answer of that number.
        seconds_a_megabyte: The pause for each megabyte of an answer.
        counts: The requests by what happened to them.
    """

    daemon_threads = True

    def __init__(self, upstream: int, slow_down_every: int = 5, reset_every: int = 7) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.slow_down_every, self.reset_every = upstream, slow_down_every, reset_every
        self.seconds_a_megabyte = 0.1
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fate(self) -> str:
        """Count a request, and decide what happens to it."""
        with self._lock:
            number = self.counts.total() + 1
            fate = "passed"
            if number % self.slow_down_every == 0:
                fate = "slowed down"
            elif number % self.reset_every == 0:
                fate = "reset"
            self.counts[fate] += 1
        return fate


class _Handler(BaseHTTPRequestHandler):
    """Hands one request on, as the server's fate for it wants."""

    protocol_version = "HTTP/1.1"
    server: BadWeather

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fate = self.server.fate()
        if fate == "slowed down":
            self._send(503, {"Content-Type": "application/xml"}, _SLOW_DOWN)
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=START_SECONDS)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        self._send(answer.status, dict(answer.getheaders()), content, is_cut=fate == "reset")

    do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815 names of the base class

    def _send(self, status: int, headers: dict[str, str], content: bytes, *, is_cut: bool = False) -> None:
        self.send_response_only(status)
        dropped = {"transfer-encoding", "connection", "content-length"}
        for name, value in headers.items():
            if name.lower() not in dropped:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        time.sleep(self.server.seconds_a_megabyte * len(content) / 1e6)
        if is_cut:
            self.wfile.write(content[: len(content) // 2])
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close_connection = True
            self.connection.close()
        elif self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def bad_weather(buckets: Buckets, slow_down_every: int = 5, reset_every: int = 7) -> Iterator[BadWeather]:
    """Run the proxy before a server of buckets; `server_port` of it is its port."""
    with BadWeather(buckets.port, slow_down_every, reset_every) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


def environment_with(settings: dict[str, str]) -> dict[str, str]:
    """The environment of this process with some settings, and without credentials of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **settings}
