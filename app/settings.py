"""The settings of an operator, read from `SURPRISAL_*` once, at the start, and passed down."""

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Literal, Self, TypeAlias

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import machine

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

PREFIX = "SURPRISAL_"
LONGEST_SECONDS = 86_400
"""A day, beyond which a timeout is a slip: timers of the event loop hold no more than some weeks."""

KUBERNETES = re.compile(
    r"SURPRISAL_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    r"|SURPRISAL_([A-Z0-9_]+_)?(PORT|PORT_\d+_(TCP|UDP|SCTP))=(tcp|udp|sctp)://.*",
    re.DOTALL,
)
"""The variables that Kubernetes adds to every container beside a service called `surprisal` or `surprisal-...`. They
are no settings, so they are ignored."""
OF_CLIENT = frozenset({"SURPRISAL_URL", "SURPRISAL_KEY", "SURPRISAL_HOME"})
"""The variables of surprisal-client, which a shell may hold that starts the service. They are ignored too."""

ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
OWN_SEGMENTS = ["v1"], ["docs"], ["problems"]
"""The first segments of the service's own longer paths; a path prefix must not begin with one of them."""


HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
ORIGIN = re.compile(r"\*|https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:\d{1,5})?")

ROOT = re.compile(r"/[^,]*|(?!file:)[a-z][a-z0-9+.-]*://[^/,?#]+(/[^,?#]*)?")
CREDENTIALS = re.compile(r"[^/]*://[^/@]*:[^/@]*@")
USER = re.compile(r"(?<=://).*@")
"""The user of an address, perhaps with a password, which no message may repeat."""
DATABASE = re.compile(r"sqlite:///[^?#]+|postgresql(\+psycopg)?://[^/]*/[^/?]+(\?.*)?")
SCHEDULER = re.compile(r"(tcp|tls|ws|wss|ucx|ucxx)://[^/@]+:\d{1,5}")

ARGUMENTS = {"host": "the address is an argument: --host", "port": "the port is an argument: --port"}


DIVIDED = ("memory_bytes", "max_filed_bytes", "max_threads", "max_streams", "max_waiting")
"""The settings that limit all requests together; each worker gets a share of them."""
FITTING = ("max_spooled_bytes", "max_filed_bytes")
"""The settings of which the first, the size of one body, must fit into the second, the room for all."""


class WrongSettings(Exception):
    """Wrong settings, with which the service cannot start: a line for each says what to do."""


class Settings(BaseSettings):
    """The settings, a field each; the table of docs/operating.md is held to the descriptions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    workers: int = Field(
        1,
        ge=0,
        description="The number of processes that serve, which divide the limits for all requests together; 0 for one "
        "a CPU, as in the container.",
    )
    log_level: LogLevel = Field("info", description="The least severe level that is logged.")
    root_path: str = Field(
        "",
        description="The path under which a proxy serves the service, such as `/scoring`, whether the proxy takes it "
        "off or not. Links in answers and `servers` of the OpenAPI document begin with it.",
    )
    api_keys_file: str = Field(
        "",
        description="The file of keys, which is read again when it changes. Without it no key is asked for, and only "
        "this machine is served.",
    )
    open: bool = Field(
        default=False,
        description="The word of the operator that something else guards the service, which then serves any address "
        "without keys, as in the container.",
    )
    allowed_hosts: str = Field(
        "",
        description="The hosts that requests may be for, with commas between; `*.example.org` stands for all below it. "
        "Any other is answered 400, but for probes. Without it any host will do.",
    )
    cors_origins: str = Field(
        "",
        description="The origins, such as `https://example.org`, whose pages may call the service from a browser, with "
        "commas between; `*` for all. Without it none may.",
    )
    trusted_proxies: str = Field(
        "",
        description="The addresses and networks of proxies whose `X-Forwarded-For` tells the address of a caller, with "
        "commas between.",
    )
    opentelemetry: bool = Field(
        default=False,
        description="The reports of requests to OpenTelemetry, sent to where its own variables `OTEL_...` say. They "
        "need the packages of `requirements/opentelemetry.txt`.",
    )
    max_body_bytes: int = Field(
        16 * 2**20, ge=1, description="The largest JSON body, as sent and as decoded; beyond it 413."
    )
    memory_bytes: int = Field(
        0,
        ge=0,
        description="The memory that the service may use, which requests pay from; beyond it 503, or 413 if the "
        "request could never fit. 0 for the limit of the container, or the memory of the machine.",
    )
    max_spooled_bytes: int = Field(
        2**30, ge=1, description="The largest npz or Parquet body, as sent and as decoded; beyond it 413."
    )
    max_filed_bytes: int = Field(
        4 * 2**30,
        ge=1,
        description="The most bytes of request bodies held in files at once, all together; beyond it 503.",
    )
    max_streamed_bytes: int = Field(
        2**40, ge=1, description="The largest Arrow, NDJSON or CSV body, as sent and as decoded; beyond it 413."
    )
    max_part_bytes: int = Field(
        64 * 2**20, ge=2**16, description="The largest record batch or page of a body; beyond it 413."
    )
    max_line_bytes: int = Field(
        8 * 2**20, ge=2**10, description="The longest row of an NDJSON or CSV body, or header of CSV; beyond it 413."
    )
    max_held_bytes: int = Field(
        64 * 2**20,
        ge=1,
        description="The most that a body in parts keeps in memory where an answer needs all rows; beyond it 413.",
    )
    max_ratio: float = Field(
        200.0,
        ge=1,
        description="The largest ratio to sent bytes of decoded bytes beyond `max_part_bytes`, and of the bytes of an "
        "answer beyond 4 MiB; beyond it 413.",
    )
    max_answer_bytes: int = Field(
        32 * 2**20,
        ge=2**20,
        description="The largest answer in JSON, by its numbers at 20 bytes each; losses of rows beyond it are "
        "answered as an Arrow stream.",
    )
    max_rows: int = Field(10**9, ge=1, description="The most rows of a request; beyond it 413.")
    max_columns: int = Field(100_000, ge=1, description="The most classes or labels of a prediction; beyond it 413.")
    body_timeout_seconds: float = Field(
        30.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="The time in which a JSON body must arrive, and the longest pause of another; beyond it 408.",
    )
    min_bytes_per_second: int = Field(
        1024,
        ge=1,
        description="The rate at which a body that is not plain JSON must arrive, measured over "
        "`body_timeout_seconds`; below it 408.",
    )
    spool_timeout_seconds: float = Field(
        300.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="The time in which a body that is npz, Parquet or compressed JSON must arrive; beyond it 408.",
    )
    request_timeout_seconds: float = Field(
        30.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="The processor time that the work of one request may take, for each 32 MiB of a longer body anew; "
        "beyond it 413.",
    )
    head_timeout_seconds: float = Field(
        10.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="The time in which request line and headers must arrive; beyond it 408.",
    )
    max_connections: int = Field(
        4096,
        ge=1,
        description="The most connections of a process, if the system grants the files; beyond it probes alone are "
        "answered, and all others 503.",
    )
    max_connections_per_address: int = Field(
        1024,
        ge=1,
        description="The most connections of an address to a process, but for `trusted_proxies`; beyond it 503.",
    )
    max_threads: int = Field(4, ge=1, description="The most requests scored at once.")
    threads_per_request: int = Field(
        2, ge=1, description="The threads that share the rows of an npz body of some hundred thousand."
    )
    max_streams: int = Field(16, ge=1, description="The most bodies scored at once while they arrive.")
    max_waiting: int = Field(
        256,
        ge=0,
        description="The length of each of two queues, of bodies and of streams that wait to be scored; beyond it 503.",
    )
    max_lag_seconds: float = Field(
        0.05,
        ge=0,
        le=LONGEST_SECONDS,
        description="The time that small JSON bodies which wait for a turn may take to be scored together; "
        "beyond it 503.",
    )
    queue_timeout_seconds: float = Field(
        30.0, gt=0, le=LONGEST_SECONDS, description="The longest wait of a request; beyond it 503."
    )
    drain_delay_seconds: float = Field(
        3.0,
        ge=0,
        le=LONGEST_SECONDS,
        description="The time after SIGTERM in which the service is not ready but answers all that comes, with "
        "`Connection: close`, so that clients go elsewhere.",
    )
    drain_timeout_seconds: int = Field(
        8,
        ge=0,
        le=LONGEST_SECONDS,
        description="The time that requests in flight have after that, or after Ctrl-C.",
    )
    dataset_roots: str = Field(
        "",
        description="The folders and prefixes of buckets, such as `/srv/predictions` or `s3://bucket/predictions`, "
        "below which jobs may read data sets, with commas between. Without it jobs are off.",
    )
    database_url: str = Field(
        "sqlite:///data/surprisal.db",
        description="The database that keeps jobs: a file of SQLite, made when the first job needs it, or "
        "`postgresql://...`, which several machines can share.",
    )
    dask_scheduler: str = Field(
        "",
        description="The scheduler of a Dask cluster that runs jobs, such as `tcp://scheduler:8786`. Without it they "
        "run in processes of this machine.",
    )
    job_retention_days: float = Field(
        30.0, gt=0, le=36_500, description="The time after its end at which a job is deleted with its answer."
    )
    max_queued_jobs: int = Field(100, ge=1, description="The most jobs that wait for their turn; beyond it 503.")
    max_running_jobs: int = Field(
        1, ge=1, description="The most jobs that run at once, of all services that share the database."
    )
    max_job_files: int = Field(100_000, ge=1, description="The most files of a job; beyond it the job fails.")
    max_job_shards: int = Field(
        1_000_000,
        ge=1,
        description="The most pieces, scored one by one, into which a job is cut; beyond it the job fails.",
    )
    max_job_rows: int = Field(10**12, ge=1, description="The most rows of a job; beyond it the job fails.")
    job_timeout_seconds: float = Field(
        86_400.0,
        gt=0,
        le=30 * LONGEST_SECONDS,
        description="The time that a job may run, its waiting not counted; beyond it the job fails.",
    )
    job_workers: int = Field(
        0, ge=0, description="The processes of this machine that score the shards of a job; 0 for one a CPU."
    )
    job_worker_memory_bytes: int = Field(
        512 * 2**20,
        ge=256 * 2**20,
        description="The memory that each of these processes may use; a shard that takes more fails its job.",
    )

    @field_validator("root_path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        path = value.rstrip("/")
        if not ROOT_PATH.fullmatch(path):
            raise ValueError("must be a path that begins with a slash, such as /scoring, of letters, digits and -._~")
        if path.split("/")[1:2] in OWN_SEGMENTS:
            raise ValueError("must not begin like a path of the service itself, or nobody could tell them apart")
        return path

    @field_validator("allowed_hosts", "cors_origins")
    @classmethod
    def _are_names(cls, value: str, field: ValidationInfo) -> str:
        rule, shape = {
            "allowed_hosts": ("hosts without a port, such as example.org or *.example.org", HOST),
            "cors_origins": ("origins without a path, such as https://example.org, or *", ORIGIN),
        }[str(field.field_name)]
        names = listed(value.lower())
        if not all(map(shape.fullmatch, names)):
            raise ValueError(f"must be {rule}, with commas between")
        return ",".join(names)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        try:
            return ",".join(str(ip_network(entry)) for entry in listed(value))
        except ValueError as error:
            raise ValueError("must be addresses or networks, such as 10.0.0.0/8, with commas between") from error

    @field_validator("dataset_roots")
    @classmethod
    def _are_roots(cls, value: str) -> str:
        roots = listed(value)
        if any(CREDENTIALS.match(root) for root in roots):
            raise ValueError("must hold no credentials: workers take them from their environment")
        if not all(map(ROOT.fullmatch, roots)):
            raise ValueError("must be absolute folders or prefixes such as s3://bucket/folder, with commas between")
        return ",".join(root.rstrip("/") or root for root in roots)

    @field_validator("database_url", "dask_scheduler")
    @classmethod
    def _is_an_address(cls, value: str, field: ValidationInfo) -> str:
        rule, shape = {
            "database_url": ("sqlite:///, a slash and a path, or postgresql://user@host/name", DATABASE),
            "dask_scheduler": ("an address such as tcp://scheduler:8786", SCHEDULER),
        }[str(field.field_name)]
        if value and not shape.fullmatch(value):
            raise ValueError(f"must be {rule}")
        return value

    @model_validator(mode="after")
    def _one_body_fits(self) -> Self:
        one, all_ = FITTING
        found, most = getattr(self, one), getattr(self, all_)
        if found > most:
            raise ValueError(f"{_variable(one)} must be at most {_variable(all_)}, found {found} and {most}")
        return self

    @property
    def most_workers(self) -> int:
        """The number of workers of which each can still take the largest body, and score one of each kind at once."""
        return min(self.max_threads, self.max_streams, self.max_filed_bytes // self.max_spooled_bytes)

    def share(self, worker: int, n_workers: int) -> Self:
        """The settings of one worker, numbered from 0; the limits of all workers add up to these.

        Raises:
            WrongSettings: A share would be too small for any work.
        """
        if n_workers > self.most_workers:
            raise WrongSettings("\n".join(self._too_small(n_workers)))
        whole = {name: getattr(self, name) for name in DIVIDED}
        whole["memory_bytes"] = self.memory_bytes or machine.memory_bytes()
        shares = {name: value // n_workers + (worker < value % n_workers) for name, value in whole.items()}
        return self.model_copy(update=shares)

    def _too_small(self, n_workers: int) -> Iterator[str]:
        for name in ("max_threads", "max_streams"):
            if getattr(self, name) < n_workers:
                yield f"{_variable(name)} must be at least {n_workers}, one a worker, found {getattr(self, name)}"
        one, all_ = FITTING
        if getattr(self, all_) // getattr(self, one) < n_workers:
            least = n_workers * getattr(self, one)
            rule = f"must be at least {least}, {_variable(one)} for each of {n_workers} workers"
            yield f"{_variable(all_)} {rule}, found {getattr(self, all_)}"


DEFAULTS = Settings.model_construct()
"""The default settings, for answers that no application gives."""


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the environment.

    Raises:
        WrongSettings: A variable with the prefix is no setting, or a value breaks a rule.
    """
    lines = [_unknown(name) for name, value in environment.items() if _is_mistake(name.upper(), value)]
    try:
        settings = Settings()
    except ValidationError as error:
        lines += map(_wrong, error.errors())
    else:
        if not lines:
            return settings
    raise WrongSettings("\n".join(lines))


def listed(text: str) -> list[str]:
    """The entries of a list with commas."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _is_mistake(name: str, value: str) -> bool:
    if not name.startswith(PREFIX) or name in OF_CLIENT or name.removeprefix(PREFIX).lower() in Settings.model_fields:
        return False
    return not KUBERNETES.fullmatch(f"{name}={value}")


def _unknown(name: str) -> str:
    known, asked = list(Settings.model_fields), name.upper().removeprefix(PREFIX).lower()
    if asked in ARGUMENTS:
        hint = ARGUMENTS[asked]
    elif near := get_close_matches(asked, known, n=1):
        hint = f"did you mean {_variable(near[0])}?"
    else:
        hint = f"the settings are {', '.join(map(_variable, known))}"
    return f"{name[:80]} must be a setting, found none of that name; {hint}"


def _wrong(error: ErrorDetails) -> str:
    rule = re.sub("^Value error, |, unable to parse .*", "", error["msg"]).replace("Input should", "must", 1)
    if not error["loc"]:
        return rule
    found = USER.sub("...@", str(error["input"]))
    return f'{_variable(str(error["loc"][0]))} {rule}, found "{found[:80]}"'


def _variable(name: str) -> str:
    return PREFIX + name.upper()
