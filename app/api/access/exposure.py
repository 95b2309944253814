"""The rule that a service without keys serves its own machine alone, unless the operator says otherwise."""

import logging
import socket
from ipaddress import ip_address

from app.settings import Settings, WrongSettings

log = logging.getLogger("surprisal.keys")


def check_exposure(settings: Settings, host: str) -> None:
    """Refuse an address that others can reach, if the service asks for no keys and nobody says that it is guarded.

    Raises:
        WrongSettings: The address can be reached, and nothing guards it.
    """
    if settings.api_keys_file or is_loopback(host):
        return
    if not settings.open:
        raise WrongSettings(
            f'without keys --host must be an address of this machine alone, such as 127.0.0.1, found "{host}"; name a '
            "file of keys with SURPRISAL_API_KEYS_FILE (`python -m app keys new` makes a key), or set SURPRISAL_OPEN=1 "
            "if something else guards the service"
        )
    log.warning(
        "open to everybody who can reach %s: no key is asked for, as SURPRISAL_OPEN says", host or "any address"
    )


def is_loopback(host: str) -> bool:
    """Tell if a host stands for addresses of this machine alone; a host that nobody knows is left to the server."""
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return True
    return all(ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)
