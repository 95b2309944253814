"""Requests that are damaged at random: the server lives, never fails, and ends with every one of them in time."""

import random
import re
import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.api.servers import Process, running
from tests.attacks.talk import logged, statuses

SEED = 12
AT_ONCE = 50
SECONDS = 60.0
"""The longest wait for an answer, many times the deadlines of the server; only a failing test waits for so long."""

BODY = b'{"labels":[1,0],"probabilities":[0.5,0.25]}'
ROWS = b"labels,probabilities\r\n1,0.5\r\n"
CHUNKED = b"POST /v1/score/binary HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE = [
    b"GET /healthz HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n",
    b"HEAD /v1/metrics HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /v1/limits HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    b"POST /v1/score/binary HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    b"POST /v1/score/binary HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    b"POST /v1/score/binary HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    CHUNKED + b"%x;a=b\r\n%b\r\n0\r\na: b\r\n\r\n" % (len(BODY), BODY),
    CHUNKED.replace(b"score", b"none") + b"1\r\na\r\n",
    CHUNKED.replace(b"host", b"content-type: text/csv\r\nhost") + b"1\r\na\r\n",
    b"POST /v1/score/binary/rows HTTP/1.1\r\nhost: a\r\ncontent-type: text/csv\r\ncontent-length: 29\r\n\r\n" + ROWS,
]
HEADERS = [b"host: b", b"expect: 100-continue", b"transfer-encoding: chunked", b"content-length: 5", b"upgrade: h2c"]
PARTS = [b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\xff", b"0\r\n\r\n", b"f" * 20]
PARTS += [header + b"\r\n" for header in HEADERS]


def mutation(chance: random.Random) -> bytes:
    """A pipeline of a few requests, in which some bytes are lost, changed, doubled or added."""
    sent = bytearray(b"".join(chance.choices(WHOLE, k=chance.choice([1, 1, 2, 3, 30]))))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(sent))
        match chance.randrange(5):
            case 0:
                del sent[at + 1 : at + chance.randint(2, 30)]
            case 1:
                sent[at] = chance.randrange(256)
            case 2:
                sent[at:at] = sent[at : at + chance.randint(1, 200)]
            case 3:
                sent[at:at] = chance.choice(PARTS) * chance.choice([1, 1, 2, 200])
            case _:
                del sent[at + 1 :]
    return bytes(sent)


def cuts(sent: bytes, chance: random.Random) -> Iterator[bytes]:
    places = sorted(chance.randrange(len(sent) + 1) for _ in range(chance.choice([0, 0, 1, 5])))
    for begin, end in zip([0, *places], [*places, len(sent)], strict=True):
        yield sent[begin:end]


def outcomes(server: Process, all_sent: list[bytes], chance: random.Random) -> list[bytes]:
    """The bytes that came back for each text when the server has answered or closed every connection."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        got = {stack.enter_context(server.socket()): bytearray() for _ in all_sent}
        for connection, sent in zip(got, all_sent, strict=True):
            for piece in cuts(sent, chance):
                connection.sendall(piece)
            selector.register(connection, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(SECONDS)
            assert ready, [sent for sent, key in zip(all_sent, got, strict=True) if key in selector.get_map()]
            for key, _ in ready:
                if not received(key.fileobj, got):  # type: ignore[arg-type] # it is what was registered
                    selector.unregister(key.fileobj)
    return [bytes(found) for found in got.values()]


def received(connection: socket.socket, got: dict[socket.socket, bytearray]) -> bool:
    """Read what is there; False once the server has answered or closed."""
    piece = connection.recv(1 << 16)
    got[connection] += piece
    return bool(piece) and re.fullmatch(rb"(HTTP/1.1 100 Continue\r\n\r\n)+", got[connection]) is not None


def attack(n: int, seed: int) -> None:
    chance = random.Random(seed)
    short = {"SURPRISAL_HEAD_TIMEOUT_SECONDS": "0.5", "SURPRISAL_BODY_TIMEOUT_SECONDS": "0.5"}
    with running(**short) as server:
        for number in range(0, n, AT_ONCE):
            found = outcomes(server, [mutation(chance) for _ in range(AT_ONCE)], chance)
            assert all(status not in {500, 503} for got in found for status in statuses(got))
            connection = server.connection()
            connection.request("GET", "/v1/limits", headers={"X-Request-ID": f"still-here-{number}"})
            assert connection.getresponse().read()
            connection.close()
            logged(server, f"still-here-{number}")
    assert server.ended() == 0
    lines = server.log
    assert not [line for line in lines if "exception" in line or line.get("level") in {"warning", "error"}]
    assert not [line for line in lines if line.get("status") == 500]
    assert all(line["peer"] == "127.0.0.1" for line in lines if "reason" in line)


def test_some_hundred_mutations() -> None:
    attack(300, SEED)


@pytest.mark.slow
def test_some_thousand_mutations() -> None:
    attack(4_000, SEED + 1)
