"""The command `python -m app keys`: it makes a key, shows its token once, and keeps the line for the file."""

import argparse
import os
import sys
from pathlib import Path

from app.api.access.keys import read
from app.api.access.lines import WrongKeys, new_key
from app.api.access.scopes import SCOPES

VARIABLE = "SURPRISAL_API_KEYS_FILE"


def main(arguments: list[str]) -> None:
    """Make a key; the token alone goes to standard output, so that a script can take it from there."""
    parser = argparse.ArgumentParser(prog="python -m app keys", description="Keys of callers.")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make a key and show its token once")
    new.add_argument("--name", required=True, help="who will call, as it stands in the log: ci")
    new.add_argument("--scopes", required=True, help=f"with commas between, of {', '.join(SCOPES)}")
    new.add_argument("--rate", default="", help="the most requests to each worker: 100/minute (default: any number)")
    new.add_argument("--file", default=os.environ.get(VARIABLE, ""), help=f"the file of keys (default: {VARIABLE})")
    options = parser.parse_args(arguments)
    try:
        token, line = new_key(options.name, options.scopes, options.rate)
        told = _append(Path(options.file), line, options.name) if options.file else f"{_ADD}\n{line}"
    except (WrongKeys, OSError) as error:
        sys.exit(str(error))
    sys.stderr.write(f"{told}\n{_ONCE}\n")
    sys.stdout.write(f"{token}\n")


_ADD = f"add this line to the file that {VARIABLE} names:"
_ONCE = "this is the token, which is kept nowhere:"


def _append(path: Path, line: str, name: str) -> str:
    """Add a line to the file of keys, which is made if it is not there; only its owner may read a new one.

    Raises:
        WrongKeys: The file cannot be used, or has a key of that name.
    """
    text = ""
    if path.exists():
        if name in [key.name for key in read(path).values()]:
            raise WrongKeys(f'the name must be of one key, and {path} has one of the name "{name}"')
        text = path.read_text()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
        file.write(f"{line}\n" if not text or text.endswith("\n") else f"\n{line}\n")
    return f"the key is in {path}; a service that runs takes it within a second"
