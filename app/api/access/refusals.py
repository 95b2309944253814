"""The refusals of a caller, each with the headers of its answer."""

from app.errors import SurprisalError, clip

REALM = 'Bearer realm="surprisal"'


class Refusal(SurprisalError):
    """A request that is refused for who sends it, not for what it holds.

    Attributes:
        headers: The headers that the answer must have.
    """

    headers: dict[str, str]


class Unauthorized(Refusal):
    """No key, or one that the service does not know (RFC 6750, section 3)."""

    code = "unauthorized"

    def __init__(self, detail: str, *, has_key: bool) -> None:
        super().__init__(detail)
        self.headers = {"www-authenticate": f'{REALM}, error="invalid_token"' if has_key else REALM}


class Forbidden(Refusal):
    """A key without the scope that the route needs."""

    code = "forbidden"

    def __init__(self, detail: str, scope: str) -> None:
        super().__init__(detail)
        self.headers = {"www-authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'}


class OverRate(Refusal):
    """A key that has sent more requests than its rate allows."""

    code = "too_many_requests"

    def __init__(self, detail: str, seconds: int) -> None:
        super().__init__(detail)
        self.headers = {"retry-after": str(seconds)}


class UnknownHost(Refusal):
    """A request for a host that the service does not answer for."""

    code = "unknown_host"

    def __init__(self, host: str) -> None:
        found = f'"{clip(host)}"' if host else "none"
        super().__init__(f"the header Host must be a name of this service, found {found}")
        self.headers = {}
