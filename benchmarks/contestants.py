"""The contestants: the limit, this service, the idioms and the peers, and how each is started and asked."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.environments import HERE, python_of
from benchmarks.formats import columns_json, v2_json
from benchmarks.servers import Server, free_port


@dataclass(frozen=True, eq=False)
class Contestant:
    """A server of log loss.

    Attributes:
        path: The path at which it is asked about `{task}`.
        arguments: The arguments of its interpreter; `{port}` is the port on which it listens.
        peer: The name of its own environment; empty for that of the service.
        environ: The environment variables it needs; `{free}` is one more port that it may take.
        body: The function that writes columns in its own form of JSON.
        rows_path: The path at which it takes rows that are not JSON.
        tasks: The tasks whose loss it computes.
    """

    name: str
    path: str
    arguments: tuple[str, ...]
    peer: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[Mapping[str, Any]], bytes] = field(default=columns_json)
    rows_path: str = "/"
    tasks: tuple[str, ...] = ("multiclass",)

    def path_of(self, task: str) -> str:
        return self.path.format(task=task)

    def command(self, port: int, directory: Path) -> list[str]:
        """The command that starts it; its environment is made first if need be."""
        python = str(python_of(self.peer, directory)) if self.peer else sys.executable
        return [python, *(argument.format(port=port) for argument in self.arguments)]


QUIET = ("--no-access-log", "--log-level", "warning")
LOOPBACK = ("--host", "127.0.0.1")
UVICORN = ("-m", "uvicorn", "--port", "{port}", "--loop", "uvloop", "--http", "httptools", *QUIET)
PEERS_HOME = str(HERE / "peers")

TASKS = ("binary", "multiclass", "multilabel", "tokens")

RAW = Contestant("raw ASGI app", "/", (*UVICORN, "benchmarks.peers.raw:app"), tasks=TASKS)
SURPRISAL = Contestant(
    "Surprisal",
    "/v1/score/{task}",
    ("-m", "app", "--port", "{port}"),
    rows_path="/v1/score/multiclass/rows",
    tasks=TASKS,
)
TWO_WORKERS = replace(SURPRISAL, name="two workers", arguments=(*SURPRISAL.arguments, "--workers", "2"))
SKLEARN = Contestant("FastAPI, lists, scikit-learn", "/sklearn", (*UVICORN, "benchmarks.peers.idioms:app"))
NUMPY = Contestant("FastAPI, lists, NumPy", "/numpy/{task}", (*UVICORN, "benchmarks.peers.idioms:app"), tasks=TASKS)
MLSERVER = Contestant(
    "MLServer",
    "/v2/models/log_loss/infer",
    ("-m", "mlserver.cli.main", "start", f"{PEERS_HOME}/mlserver_app"),
    "mlserver",
    {"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "{free}", "MLSERVER_METRICS_PORT": "{free}"},
    v2_json,
)
LITSERVE = Contestant("LitServe", "/predict", (f"{PEERS_HOME}/litserve_app.py", "{port}"), "litserve")
BENTOML = Contestant(
    "BentoML",
    "/log_loss",
    ("-m", "bentoml", "serve", "bentoml_app:LogLoss", "--port", "{port}", "--working-dir", PEERS_HOME, *LOOPBACK),
    "bentoml",
    {"BENTOML_DO_NOT_TRACK": "True"},
)


def server(contestant: Contestant, directory: Path, **environ: str) -> Server:
    """The server of a contestant, ready to be started; `directory` holds the peers' environments."""
    port = free_port()
    own = {name: value.format(port=port, free=free_port()) for name, value in contestant.environ.items()}
    return Server(contestant.command(port, directory), port, own | environ)
