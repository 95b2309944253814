"""The container, without an engine: its files are checked, and what the Dockerfile does is done here."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.settings import Settings
from tests.api.servers import free_port
from tests.wheels import NAMES, installed, lock_with_newer_releases, pip_settings

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
NOBODY: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
MAX_IMAGE_BYTES = 425e6  # above the base image; pyarrow, with what reads buckets but without Flight, is 131e6 of it
OF_BUCKETS = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
]
STOP_SECONDS = 10
BODY = b'{"labels": [1, 0], "probabilities": [0.9, 0.1]}'


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's stages as (instruction, argument) pairs."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in filter(str.strip, text.splitlines()):
        name, argument = line.split(maxsplit=1)
        if name == "FROM":
            found.append([])
        found[-1].append((name, argument))
    return found


def final_stage() -> dict[str, str]:
    return dict(stages()[-1])


def words(command: str, port: int) -> list[str]:
    """An exec-form command, moved to a loopback port of this machine."""
    return [
        str(word).replace("8000", str(port)).replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        for word in json.loads(command)
    ]


def services() -> dict[str, dict[str, Any]]:
    compose: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return dict(compose["services"])


def by_apt(script: str) -> bool:
    return script.startswith("apt-get ")


def output(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def eventually(holds: Callable[[], bool], what: str, seconds: float = STOP_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def test_hadolint_finds_nothing() -> None:
    assert output(TOOLS / "hadolint", "--failure-threshold", "style", "Dockerfile") == ""


def test_bases_are_slim_and_named_by_tag() -> None:
    assert {stage[0][1].split()[0] for stage in stages()} == {"python:3.13-slim"}
    assert "syntax=" not in (ROOT / "Dockerfile").read_text()


def test_the_image_runs_as_a_numbered_user_that_is_not_root() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", final_stage()["USER"])
    assert [name for name, _ in stages()[-1] if name in {"ADD", "RUN", "USER"}] == ["RUN", "USER"]


def test_the_image_takes_only_the_environment_and_the_app() -> None:
    copied = [argument.split() for name, argument in stages()[-1] if name == "COPY"]
    assert [argument[1:] for argument in copied] == [["/venv", "/venv"], ["/build/app", "app"]]
    assert (ROOT / ".dockerignore").read_text().split("\n")[1] == "*"


def test_the_compiler_comes_from_debian_and_stays_in_its_stage() -> None:
    (script,) = (argument for name, argument in stages()[0] if name == "RUN" and by_apt(argument))
    assert re.search(r"install .*--no-install-recommends gcc libc6-dev +&& rm -rf /var/lib/apt/lists/\*$", script)
    assert not any(by_apt(argument) for _, argument in stages()[-1])


def test_nothing_compiled_elsewhere_reaches_the_image() -> None:
    assert {"**/*.so", "**/__pycache__"} <= set((ROOT / ".dockerignore").read_text().splitlines())


def test_the_image_stops_on_sigterm_and_exposes_the_port_it_serves() -> None:
    final = final_stage()
    assert final["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(final["CMD"])[-2:] == ["--port", final["EXPOSE"]]


@pytest.mark.slow
def test_the_image_installs_the_lock_and_not_what_came_out_since(tmp_path: Path) -> None:
    scripts = [argument for name, argument in stages()[0] if name == "RUN" and "requirements/$LOCK.txt" in argument]
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/run.txt").write_text(lock_with_newer_releases(tmp_path / "index"))
    made = Image(tmp_path)
    made.programs(sys.executable)
    with_tiny_index = pip_settings(tmp_path / "index")
    made.run(scripts[0].partition("&& find")[0], **with_tiny_index)
    assert installed(made.venv) == dict.fromkeys(NAMES, "1.0")


def test_each_lock_that_the_image_may_be_made_from_reaches_its_build() -> None:
    assert ("ARG", "LOCK=run") in stages()[0]
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"!requirements/run.txt", "!requirements/opentelemetry.txt"} <= set(kept)


def test_compose_file_follows_the_compose_specification() -> None:
    output(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


@pytest.mark.parametrize("name", ["surprisal", "scheduler", "worker", "prometheus"])
def test_every_service_is_confined(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service.get("volumes", []) or service["tmpfs"][0].startswith("/tmp:size=")  # noqa: S108
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["interval"]
    assert not {"privileged", "network_mode", "pid", "cap_add", "user"} & set(service)


def test_compose_takes_port_address_and_every_setting_from_the_environment() -> None:
    service = services()["surprisal"]
    assert service["ports"] == ["${ADDRESS:-127.0.0.1}:${PORT:-8000}:8000"]
    given = {"workers": "SURPRISAL_WORKERS=${SURPRISAL_WORKERS:-0}", "open": "SURPRISAL_OPEN=${SURPRISAL_OPEN:-1}"}
    passed = [given.get(name, f"SURPRISAL_{name.upper()}") for name in Settings.model_fields]
    assert service["environment"] == [*passed, *OF_BUCKETS]


def test_the_image_has_a_worker_for_each_cpu() -> None:
    assert "SURPRISAL_WORKERS=0" in final_stage()["ENV"].split()


def test_the_image_serves_the_network_by_the_word_of_whoever_publishes_its_port() -> None:
    assert "SURPRISAL_OPEN=1" in final_stage()["ENV"].split()
    assert "0.0.0.0" in json.loads(final_stage()["CMD"])  # noqa: S104


def test_monitoring_is_asked_for_and_finds_every_container() -> None:
    assert "profiles" not in services()["surprisal"]
    assert services()["prometheus"]["profiles"] == ["monitoring"]
    assert re.fullmatch(r"prom/prometheus:v\d+\.\d+\.\d+", services()["prometheus"]["image"])
    scraped = YAML(typ="safe").load(ROOT / "deploy/prometheus.yml")["scrape_configs"][0]
    port = int(final_stage()["EXPOSE"])
    assert scraped["dns_sd_configs"] == [{"names": ["surprisal"], "type": "A", "port": port}]


def test_a_cluster_is_asked_for_and_runs_the_image_of_the_service() -> None:
    service, scheduler, worker = (services()[name] for name in ("surprisal", "scheduler", "worker"))
    assert scheduler["profiles"] == worker["profiles"] == ["cluster"]
    for part in (service, scheduler, worker):
        assert (part["image"], part["build"]) == ("surprisal", ".")
    port = scheduler["command"][scheduler["command"].index("--port") + 1]
    assert f"tcp://scheduler:{port}" in worker["command"]
    for part in (scheduler, worker):  # not the command `dask`, which would not find the application in its folder
        assert part["command"][:3] == ["python", "-m", "dask"]


def test_a_cluster_reads_the_files_of_the_service_and_the_port_of_its_health_is_of_this_machine() -> None:
    service, scheduler, worker = (services()[name] for name in ("surprisal", "scheduler", "worker"))
    (shared,) = {volume for volume in worker["volumes"] if ":" in volume}
    assert shared in service["volumes"]
    assert shared.endswith(":ro")
    assert scheduler["ports"] == ["127.0.0.1:8787:8787"]
    assert "ports" not in worker
    assert worker["environment"] == OF_BUCKETS
    assert f"'127.0.0.1', {scheduler['command'][-1].lstrip(':')}" in scheduler["healthcheck"]["test"][-1]


class Image:
    """A folder made by the Dockerfile's build stage, with a Python of this machine for the base image."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / "venv"
        self.environment = dict(pair.split("=", 1) for pair in final_stage()["ENV"].split())
        self.environment["PATH"] = f"{self.venv / 'bin'}:{os.defpath}"

    def programs(self, python: str) -> None:
        (self.root / "bin").mkdir()
        (self.root / "bin/python").symlink_to(python)
        (self.root / "bin/pip").symlink_to(TOOLS / "pip")

    def build(self, python: str) -> None:
        self.programs(python)
        for name, argument in stages()[0]:
            if name == "COPY":
                self.copy(*argument.split())
            elif name == "RUN" and not by_apt(argument):  # the compiler is this machine's
                self.run(argument)

    def copy(self, source: str, target: str) -> None:
        (self.root / target).parent.mkdir(exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, self.root / target, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(ROOT / source, self.root / target)

    def run(self, script: str, **settings: str) -> None:
        arguments = dict(argument.split("=", 1) for name, argument in stages()[0] if name == "ARG")
        environment = {**os.environ, **arguments, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", **settings}
        script = script.replace("/venv", str(self.venv))
        done = subprocess.run(
            ["sh", "-ec", script], cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def size_bytes(self) -> int:
        files = [path for part in ("venv", "app") for path in (self.root / part).rglob("*")]
        return sum(path.lstat().st_size for path in files)

    def healthy(self, port: int) -> bool:
        command = words(final_stage()["HEALTHCHECK"].partition("CMD ")[2], port)
        return (
            subprocess.run(
                command, cwd=self.root, env=self.environment, capture_output=True, check=False, **NOBODY
            ).returncode
            == 0
        )

    @contextmanager
    def serving(self, port: int) -> Iterator[subprocess.Popen[bytes]]:
        command = words(final_stage()["CMD"], port)
        server = subprocess.Popen(command, cwd=self.root, env=self.environment, **NOBODY)
        try:
            yield server
        finally:
            server.kill()
            server.wait()


def python_for_nobody() -> str:
    """An interpreter with its headers that the user without rights may start: one in a private home is out of reach."""
    enough = (
        "import os, sys, sysconfig, venv\n"
        "sys.exit(sys.version_info < (3, 11) or not os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
    )
    candidates = [os.path.realpath(sys.executable), *map(shutil.which, ["python3", "/usr/bin/python3"])]
    for python in filter(None, candidates):
        try:
            if subprocess.run([python, "-c", enough], cwd="/", check=False, **NOBODY).returncode == 0:
                return python
        except PermissionError:
            continue
    pytest.skip("no Python >= 3.11 with headers that a non-root user may start")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    python = python_for_nobody()
    with tempfile.TemporaryDirectory(prefix="surprisal-") as folder:
        Path(folder).chmod(0o755)
        made = Image(Path(folder))
        made.build(python)
        yield made


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.mark.slow
@pytest.mark.timeout(900)  # with the image, which is made from the index of pip
def test_the_environment_is_small_and_has_no_installer(image: Image) -> None:
    assert image.size_bytes() < MAX_IMAGE_BYTES
    packages = {path.name for path in image.venv.glob("lib/*/site-packages/*")}
    assert "numpy" in packages
    assert not packages & {"pip", "setuptools", "pytest", "tests"}
    assert not list(image.venv.glob("bin/pip*"))
    libraries = {path.name.split(".")[0] for path in image.venv.glob("lib/*/site-packages/pyarrow/*arrow_*.so*")}
    assert "libarrow_s3" in libraries
    assert not [name for name in libraries if name.endswith("_flight")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_reads_buckets_and_has_the_commands_of_a_cluster(image: Image) -> None:
    programs = ("from pyarrow import fs; fs.S3FileSystem(region='x')", "import distributed.cli.dask_worker")
    for program in programs:
        command = [str(image.venv / "bin/python"), "-c", program]
        done = subprocess.run(command, env=image.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_has_what_was_compiled_and_none_of_its_source(image: Image) -> None:
    kernels = image.root / "app/core/kernels"
    assert [path.name for path in kernels.glob("*.so")] == ["compiled.abi3.so"]
    assert not list(image.root.glob("app/**/*.[ch]"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_answers_what_is_in_flight_and_ends(image: Image, port: int) -> None:
    assert not image.healthy(port)
    with image.serving(port) as server:
        eventually(lambda: image.healthy(port), "healthy", seconds=60)
        client = socket.create_connection(("127.0.0.1", port), timeout=STOP_SECONDS)
        with client:
            begin_request(client)
            server.send_signal(signal.SIGTERM)
            eventually(lambda: refused(port), "no new connection is accepted")
            client.sendall(BODY)
            response = http.client.HTTPResponse(client)
            response.begin()
            answer = json.loads(response.read())
        assert response.status == 200
        assert answer["metrics"]["cross_entropy"]["value"] == pytest.approx(0.10536051565782628, rel=1e-12)
        assert server.wait(STOP_SECONDS) == 0


def begin_request(client: socket.socket) -> None:
    """Send the head of a request, and return once the app has asked for its body."""
    head = f"POST /v1/score/binary HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n"
    client.sendall(f"{head}Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode())
    assert client.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
