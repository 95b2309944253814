"""A load of small requests by clients that keep their connections, and send the next as soon as they are answered."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.api.servers import Process


class Load:
    """Clients in a closed loop, that stop when the load ends or their connection does.

    Attributes:
        statuses: The answers by status; 0 counts connections that ended without an answer to a request.
        retry_after: The values of the header in refusals.
    """

    def __init__(self, server: Process, sent: bytes) -> None:
        self._port = server.port
        self._sent = sent
        self.statuses = Counter[int]()
        self.retry_after = set[int]()
        self.ends = False

    async def client(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
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
            tasks.create_task(load.client())
        while load.statuses.total() < n_clients:  # noqa: ASYNC110 an event would be set by every answer
            await asyncio.sleep(0)
        try:
            yield load
        finally:
            load.ends = True
