"""A load of small requests by clients that keep their connections, and send the next as soon as they are answered."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread

import orjson

from tests.api.servers import Process


@contextmanager
def logging(**environment: str) -> Iterator[Process]:
    """A server whose log is read all the time: a load fills the pipe."""
    server = Process(**environment)
    reading = Thread(target=server.ended)
    reading.start()
    try:
        yield server
    finally:
        server.terminate()
        reading.join()


def scored(n: int) -> bytes:
    rng = random.Random(40)
    rows = [[w, 1 - w] for w in (round(rng.random(), 3) for _ in range(n))]
    return orjson.dumps({"labels": [rng.randrange(2) for _ in range(n)], "probabilities": rows})


class Load:
    """Clients in a closed loop, that connect anew after `Connection: close`, until the load ends or nobody listens.

    Attributes:
        statuses: The answers by status; 0 counts requests that got none because the connection was reset or cut.
        tasks: The clients.
        retry_after: The values of the header in refusals.
    """

    def __init__(self, server: Process, sent: bytes) -> None:
        self._port = server.port
        self._sent = sent
        self.statuses = Counter[int]()
        self.retry_after = set[int]()
        self.ends = False
        self.tasks: list[asyncio.Task[None]] = []

    async def client(self) -> None:
        while not self.ends:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionRefusedError:
                return
            except ConnectionError:  # it was let in, and reset before it could send
                self.statuses[0] += 1
                continue
            await self._use(reader, writer)

    async def _use(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            is_open = True
            while is_open and not self.ends:
                writer.write(self._sent)
                is_open = await self._answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.statuses[0] += 1
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bool:
        """Read an answer; tell if another request may follow."""
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:-2])
        await reader.readexactly(int(headers[b"content-length"]))
        self.statuses[int(lines[0].split()[1])] += 1
        if b"retry-after" in headers:
            self.retry_after.add(int(headers[b"retry-after"]))
        return headers.get(b"connection") != b"close"


@asynccontextmanager
async def under_load(server: Process, sent: bytes, n_clients: int) -> AsyncIterator[Load]:
    """Keep a server busy."""
    load = Load(server, sent)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(n_clients):
            load.tasks.append(tasks.create_task(load.client()))
        while load.statuses.total() < n_clients:  # noqa: ASYNC110 an event would be set by every answer
            await asyncio.sleep(0)
        try:
            yield load
        finally:
            load.ends = True
