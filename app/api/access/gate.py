"""The gate in front of the routes, for an application whose settings name keys, hosts or origins."""

from app.api.access.keys import Keys
from app.api.access.lines import Key
from app.api.access.origins import headers_for, is_preflight, preflight_headers
from app.api.access.rates import Rates
from app.api.access.refusals import Forbidden, Unauthorized, UnknownHost
from app.api.access.scopes import Scope
from app.api.exchange import Exchange
from app.api.response import Response
from app.settings import Settings, listed

PROBES = ("/healthz", "/readyz")
"""Paths that answer whatever the host: a platform asks a container by its address."""


class Gate:
    """The checks of requests, none of which reads a byte of a body.

    Attributes:
        keys: The keys; None if the service asks for none.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the keys.

        Raises:
            WrongKeys: Their file cannot be used.
        """
        self.keys = Keys(settings.api_keys_file) if settings.api_keys_file else None
        self._hosts = listed(settings.allowed_hosts)
        self._origins = frozenset(listed(settings.cors_origins))
        self._rates = Rates()

    @classmethod
    def of(cls, settings: Settings) -> "Gate | None":
        """The gate that settings ask for; None if they ask for none, so that a request need not pass it."""
        is_asked = settings.api_keys_file or settings.allowed_hosts or settings.cors_origins
        return cls(settings) if is_asked else None

    def receive(self, exchange: Exchange) -> Response | None:
        """Check the host, and answer a browser that asks for a page of another site; None for any other request.

        Raises:
            UnknownHost: The host is not one of the service.
        """
        if self._origins:
            exchange.further_headers = headers_for(exchange, self._origins)
        if self._hosts and exchange.scope["path"] not in PROBES:
            self._check_host(exchange.header("host"))
        if self._origins and is_preflight(exchange):
            return Response(status_code=204, headers=preflight_headers())
        return None

    def admit(self, exchange: Exchange, needed: tuple[Scope, ...]) -> None:
        """Let a request pass to a route that needs one of some scopes, or any request if it needs none.

        Raises:
            Unauthorized: The request has no key, or one that is not known.
            Forbidden: The key has none of the scopes.
            OverRate: The key has sent too many requests.
        """
        if self.keys is None or not needed:
            return
        key = _known(self.keys, exchange)
        exchange.key, exchange.is_admin = key.name, "admin" in key.scopes
        if not key.may(needed):
            has, needs = ", ".join(key.scopes), ", ".join(dict.fromkeys([*needed, "admin"]))
            raise Forbidden(f'the key "{key.name}" must have one of the scopes {needs}; it has {has}', needed[0])
        self._rates.count(key)

    def _check_host(self, sent: str) -> None:
        host = sent.lower().rpartition(":")[0] if sent.rpartition(":")[2].isdecimal() else sent.lower()
        if not any(host == name or (name[:1] == "*" and host.endswith(name[1:])) for name in self._hosts):
            raise UnknownHost(sent)


def _known(keys: Keys, exchange: Exchange) -> Key:
    scheme, _, token = exchange.header("authorization").partition(" ")
    tokens = {token.strip()} if scheme.lower() == "bearer" else set()
    if b"x-api-key" in exchange.head:
        tokens.add(exchange.header("x-api-key").strip())
    if len(tokens) == 2:
        raise Unauthorized(
            "`Authorization` and `X-API-Key` must hold the same key, or one of them must go", has_key=True
        )
    if not tokens:
        raise Unauthorized("a key must be sent as `Authorization: Bearer ...` or as `X-API-Key: ...`", has_key=False)
    key = keys.of(tokens.pop())
    if key is None:
        raise Unauthorized("the key must be one of this service; it may have been withdrawn", has_key=True)
    return key
