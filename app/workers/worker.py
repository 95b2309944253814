"""A process that serves: alone, or as one of several workers.

The functions import the application, so that the process that only looks after workers stays small (40 MB, not 120).
"""

import logging
import signal
import sys
from collections.abc import MutableSequence
from ctypes import c_bool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from shutil import rmtree
from socket import socket

from app.api import logs
from app.api.counts import Counts
from app.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
NOT_STARTED = 3
"""The exit code of a service that could not start; uvicorn has the same."""
NONE_TAKEN = sys.maxsize
"""The number of clients that a worker reports when it takes no more, so that no other leaves it any."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one worker.

    Attributes:
        settings: The settings, with its part of the limits.
        listeners: The sockets at which clients come, for all workers.
        counts: The place of its metrics, and its number.
        n_clients: The number of clients of each worker, in memory that they share.
        all_end: Whether no worker goes on, in shared memory too.
        supervisor: A pipe to the supervisor; the worker ends when that does.
    """

    settings: Settings
    listeners: list[socket]
    counts: Counts
    n_clients: MutableSequence[int]
    all_end: c_bool
    supervisor: Connection


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve alone until a signal ends this process."""
    _end_on_signals()
    from app.main import create_app
    from app.server.listeners import listeners_on
    from app.server.listening import Server
    from app.server.start import configuration, tune

    app = create_app(settings)
    tune()
    try:
        listeners = listeners_on(host, port)
    except OSError as error:
        logging.getLogger("surprisal.workers").critical("%s", error)
        sys.exit(NOT_STARTED)
    try:
        Server(configuration(app, settings, host, port), settings).run(listeners)
    finally:
        app.telemetry.record()


def serve_beside_others(share: Share) -> None:
    """Serve in a process of its own until a signal, or the end of the supervisor."""
    from app.main import create_app
    from app.server.start import configuration, tune
    from app.workers.server import SharingServer

    _end_on_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # a signal that came before ends the process here
    logs.configure(share.settings.log_level)
    app = create_app(share.settings, share.counts)
    tune()
    config = configuration(app, share.settings, "", 0)
    try:
        SharingServer(config, share).run(share.listeners)
    finally:
        app.telemetry.record()
    # No signal has ended this process, so the supervisor has died without clearing up.
    rmtree(share.counts.folder, ignore_errors=True)


def _end_on_signals() -> None:
    # uvicorn raises the signal again once it has drained; this handler then ends the process with code 0.
    for number in SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))
