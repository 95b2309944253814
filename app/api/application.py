"""An application of FastAPI with a short way of our own from the server to a route: layers cost small requests time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property
from inspect import iscoroutinefunction, signature
from typing import Any, get_type_hints

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.api import problems
from app.api.access import scopes
from app.api.access.gate import Gate
from app.api.capacity import Capacity
from app.api.exchange import FREE_ANSWER_BYTES, NOT_BEGUN, Answered, Exchange
from app.api.job_events import Followers
from app.api.response import Response
from app.api.schemas.query import query_model, refuse_unknown
from app.api.telemetry import Telemetry
from app.errors import Unavailable
from app.jobs.desk import JobDesk
from app.settings import Settings

Answer = Callable[[Exchange], Answered]


class Application(FastAPI):
    """An application that names, times and counts a request, hands it to its route, and turns a failure into a problem.

    The layers that FastAPI would put before the routes catch errors, trace, and close what dependencies opened. Nothing
    here needs them, so a request goes around them.
    """

    def __init__(
        self, settings: Settings, capacity: Capacity, telemetry: Telemetry, jobs: JobDesk, **arguments: Any
    ) -> None:
        """Take the parts of the application; `reports` is what FastAPI calls its `telemetry`."""
        self.settings = settings
        self.capacity = capacity
        self.telemetry = telemetry
        self.gate = Gate.of(settings)
        self.jobs = jobs
        self.followers = Followers(lambda id_: capacity.jobs.run(0, jobs.get, id_))
        super().__init__(telemetry=arguments.pop("reports", None), **arguments)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Callback of ASGI: answer a request, whose path may begin with the path prefix or not."""
        if scope["type"] != "http":
            scope["app"] = self
            await self.router(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self.settings, self.capacity)
        await self._finish(exchange, self._begin(exchange))

    def serve(
        self, scope: Scope, receive: Receive, send: Send, sends: Callable[[int, bytes, bytes], bool]
    ) -> Coroutine[Any, Any, None] | None:
        """Answer a request of our own server, at once where that takes little time; else return what is left to do.

        Args:
            sends: A function that sends a whole answer, unless the client must first read what it was sent before;
                then it returns False.
        """
        exchange = Exchange(scope, receive, send, self.settings, self.capacity)
        answered = self._begin(exchange)
        if (
            isinstance(answered, Response)
            and len(answered.body) <= FREE_ANSWER_BYTES
            and sends(*exchange.whole(answered))
        ):
            self._end(exchange)
            return None
        return self._finish(exchange, answered)

    def _begin(self, exchange: Exchange) -> Answered | Coroutine[Any, Any, None]:
        """The answer, or what makes it."""
        self.telemetry.begin()
        scope = exchange.scope
        scope["app"] = self
        if prefix := self.settings.root_path:
            _name_prefix(scope, prefix)
        try:
            if self.gate is not None and (answer := self.gate.receive(exchange)):
                return answer
            if route := self._fixed_routes.get((scope["method"], scope["path"])):
                scope["route"] = route
                if self.gate is not None:
                    self.gate.admit(exchange, route.needs)
                return route.answer(exchange)
        except Exception as error:  # noqa: BLE001 as every failure becomes an answer
            return _problem(exchange, error)
        return exchange.passed_to(self.router)

    async def _finish(self, exchange: Exchange, answered: Answered | Coroutine[Any, Any, None]) -> None:
        try:
            response = answered if isinstance(answered, Response) else await answered
            if response is not None:  # else the router has sent it
                await exchange.respond(response)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 as every failure becomes an answer
            await _fail(exchange, error)
        finally:
            self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        exchange.release()
        self.telemetry.end(exchange)

    @cached_property
    def _fixed_routes(self) -> dict[tuple[str, str], "BareRoute"]:
        """The routes whose paths have no parameters, by method and path; the router would try all in turn."""
        routes: dict[tuple[str, str], BareRoute] = {}
        for route in self.routes:
            if isinstance(route, BareRoute) and not route.param_convertors:
                for method in route.methods or ():
                    routes.setdefault((method, route.path), route)
        return routes | {(method, self.settings.root_path + path): route for (method, path), route in routes.items()}


def _name_prefix(scope: Scope, prefix: str) -> None:
    scope["root_path"] = prefix
    if scope["path"] == prefix:
        # The links of the front page are relative: without the slash they would lead out of the prefix.
        scope["path"] += "/"


async def _fail(exchange: Exchange, error: Exception | asyncio.CancelledError) -> None:
    """Answer a failure with its problem, unless nobody is left to answer or half an answer is out."""
    if isinstance(error, ClientDisconnect):
        return
    if isinstance(error, asyncio.CancelledError):
        if exchange.status == NOT_BEGUN:
            await exchange.respond(problems.answer(exchange, Unavailable("the service is ending")))
        raise error
    answer = _problem(exchange, error)
    if exchange.status != NOT_BEGUN:
        raise error  # the server cuts the connection
    await exchange.respond(answer)


def _problem(exchange: Exchange, error: Exception) -> Response:
    """The problem that an error becomes; one that nobody meant is kept for the log."""
    answer = problems.answer(exchange, error)
    if exchange.code == "internal":
        exchange.error = error
    else:
        _forget_frames(error)
    return answer


def _forget_frames(error: BaseException | None) -> None:
    """Let go of the frames of an error, which may hold a whole body, and often the error: a circle."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class BareRoute(APIRoute):
    """A route that calls `endpoint(exchange, ...)` directly; FastAPI matches its path and documents it, and no more.

    The endpoint returns the response, or, of a GET, a model that becomes its JSON. Beside the exchange it is given the
    parameters of the path that it names, and a model of the query if it has one, which FastAPI documents; the query of
    any other GET or DELETE must be empty. A POST reads its query itself.

    Attributes:
        needs: The scopes of which a key must have one, if keys are asked for.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        self.answer: Answer = endpoint if "POST" in (self.methods or ()) else _answering(endpoint)
        self.needs = scopes.needs(path)
        self.app = self._respond

    async def _respond(self, scope: Scope, *_: object) -> None:
        exchange = self._admitted(scope)
        answered = self.answer(exchange)
        await exchange.respond(answered if isinstance(answered, Response) else await answered)

    def _admitted(self, scope: Scope) -> Exchange:
        exchange: Exchange = scope["exchange"]
        app = scope["app"]  # the document of OpenAPI asks the routes without an application of ours
        if isinstance(app, Application) and app.gate is not None:
            app.gate.admit(exchange, self.needs)
        return exchange


class StreamRoute(BareRoute):
    """A route whose endpoint sends its answer itself, while it is made; it has parameters in its path."""

    async def _respond(self, scope: Scope, *_: object) -> None:
        exchange = self._admitted(scope)
        await exchange.read_query(refuse_unknown, exchange)
        await self.endpoint(exchange, **exchange.path_params)


def _answering(endpoint: Callable[..., Any]) -> Answer:
    """The answer of an endpoint that has no body to read."""
    _, *further = signature(endpoint).parameters
    if further:
        return _answering_with(endpoint, further)
    is_waiting = iscoroutinefunction(endpoint)

    def answer(exchange: Exchange) -> Answered:
        if is_waiting or exchange.scope["query_string"]:
            return later(exchange)
        return _response(endpoint(exchange))

    async def later(exchange: Exchange) -> Response:
        if exchange.scope["query_string"]:
            await exchange.read_query(refuse_unknown, exchange)
        return _response(await endpoint(exchange) if is_waiting else endpoint(exchange))

    return answer


def _answering_with(
    endpoint: Callable[..., Coroutine[Any, Any, Response | BaseModel]], further: Sequence[str]
) -> Answer:
    """The answer of an endpoint that has parameters in its path, or a model of its query."""
    models = {name: hint for name, hint in get_type_hints(endpoint).items() if name in further and _is_model(hint)}

    async def answer(exchange: Exchange) -> Response:
        arguments = {name: exchange.path_params[name] for name in further if name not in models}
        for name, model in models.items():
            arguments[name] = await exchange.read_query(query_model, model, exchange)
        if not models and exchange.scope["query_string"]:
            await exchange.read_query(refuse_unknown, exchange)
        return _response(await endpoint(exchange, **arguments))

    return answer


def _response(content: Response | BaseModel) -> Response:
    if isinstance(content, Response):
        return content
    return Response(content.model_dump_json(exclude_none=False), media_type="application/json")


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)
