"""The keys of callers, in a file that is read again when it changes."""

import asyncio
import logging
import os
from pathlib import Path

from app.api.access.lines import Key, WrongKeys, digest_of, parse

MAX_FILE_BYTES = 2**20
"""The longest file, of some 8,000 keys."""
SECONDS_BETWEEN_LOOKS = 1.0
"""The time after which a changed file is noticed at the latest."""

log = logging.getLogger("surprisal.keys")


class Keys:
    """The keys of a file, by the digest of their tokens.

    A token is looked up by its digest, not compared. The time of a look-up tells at most how a digest begins, and
    nobody can make a token with a wanted digest, so it tells nothing of a token.
    """

    def __init__(self, path: str) -> None:
        """Read the file.

        Raises:
            WrongKeys: It cannot be read, or a line is no key.
        """
        self._path = Path(path)
        self._stamp = self._look()
        self._by_digest = read(self._path)

    def of(self, token: str) -> Key | None:
        """The key of a token, if there is one."""
        return self._by_digest.get(digest_of(token))

    async def watch(self) -> None:
        """Read the file again whenever it changes, until cancelled."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Read the file if it has changed; one that cannot be used leaves the keys as they are, and the log says so."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._by_digest = read(self._path)
        except WrongKeys as error:
            log.error("the keys stay as they were: %s", error)  # noqa: TRY400 - the trace tells nothing more
        else:
            log.info("the file of keys has changed: it holds %d", len(self._by_digest))

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read(path: Path) -> dict[str, Key]:
    """The keys of a file.

    Raises:
        WrongKeys: It cannot be read, or a line is no key.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise WrongKeys(f"the file of keys {path} must be readable: {os.strerror(error.errno or 0)}") from error
    if len(content) > MAX_FILE_BYTES:
        raise WrongKeys(f"the file of keys {path} must have at most {MAX_FILE_BYTES} bytes")
    return parse(content.decode(errors="replace"))
