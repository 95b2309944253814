"""`python -m app`: arguments, settings, and the process or the workers that serve with them; `keys` makes keys.

SIGTERM drains: for a while all is answered and clients are sent away, then no further connection is taken, what was
begun is answered, and the process ends in time with exit code 0. Ctrl-C leaves the first part out.
"""

import argparse
import logging
import sys

from app import cpus
from app.api import logs
from app.api.access import command
from app.api.access.exposure import check_exposure
from app.api.access.keys import Keys
from app.settings import Settings, WrongSettings, read
from app.workers.supervisor import supervise
from app.workers.worker import serve

MAX_PORT = 2**16 - 1


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal ends it, or make a key."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["keys"]:
        command.main(arguments[1:])
        return
    parser = argparse.ArgumentParser(prog="python -m app", description="Surprisal, a scoring service.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8000, type=_port, help="port, 0 for any (default: %(default)s)")
    parser.add_argument("--workers", type=_count, help="processes, 0 for one a CPU (default: SURPRISAL_WORKERS or 1)")
    options = parser.parse_args(arguments)
    try:
        settings = read()
        n_workers = settings.workers if options.workers is None else options.workers
        if n_workers > 1:
            settings.share(0, n_workers)
        logs.configure(settings.log_level)
        check_exposure(settings, options.host)
        if settings.api_keys_file:
            Keys(settings.api_keys_file)
    except WrongSettings as error:
        sys.exit(str(error))
    n_workers = n_workers or _by_cpus(settings)
    if n_workers == 1:
        serve(settings, options.host, options.port)
    else:
        sys.exit(supervise(settings, n_workers, options.host, options.port))


def _by_cpus(settings: Settings) -> int:
    """The number of workers: one for each CPU of this process, but no more than can share the limits."""
    found, most = cpus.available(), settings.most_workers
    n_workers = min(found.number, most)
    told = "1 worker" if n_workers == 1 else f"{n_workers} workers"
    logging.getLogger("surprisal.workers").info(
        "%s: there are %d CPUs by %s, and limits for %d", told, found.number, found.limit, most
    )
    return n_workers


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f'must be a number from 0 to {MAX_PORT}, found "{text[:80]}"')
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'must be a number from 0, found "{text[:80]}"')
    return int(text)


if __name__ == "__main__":
    main()
