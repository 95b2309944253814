"""`python -m app`: arguments, settings, and the server that runs with them.

SIGTERM and Ctrl-C drain: no further connection is taken, every request that was begun is answered (within
`SURPRISAL_DRAIN_TIMEOUT_SECONDS`), and the process ends with exit code 0.
"""

import argparse
import signal
import sys

from app.api import logs
from app.main import create_app
from app.server import server
from app.settings import WrongSettings, read

MAX_PORT = 2**16 - 1


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m app", description="Surprisal, a scoring service.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8000, type=_port, help="port, 0 for any (default: %(default)s)")
    options = parser.parse_args(arguments)
    # uvicorn sends itself the signal again once it has drained; by then it means: done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        settings = read()
    except WrongSettings as error:
        sys.exit(str(error))
    logs.configure(settings.log_level)
    server(create_app(settings), settings, options.host, options.port).run()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f'must be a number from 0 to {MAX_PORT}, found "{text[:80]}"')
    return int(text)


if __name__ == "__main__":
    main()
