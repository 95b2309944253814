"""CSV and NDJSON over HTTP: long rows, labels with and without `classes`, and the places of errors."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.api.clients import client_of
from tests.encoded import MEDIA_TYPES

pytestmark = pytest.mark.anyio


async def sent(
    client: httpx.AsyncClient, format_: str, body: str | AsyncIterator[bytes], query: dict[str, Any] | None = None
) -> httpx.Response:
    headers = {"content-type": MEDIA_TYPES[format_]}
    return await client.post("/v1/score/binary/rows", content=body, params=query, headers=headers)


@pytest.mark.parametrize(
    ("format_", "start", "unit"),
    [
        ("csv", "labels,probabilities\n1,0.5\n", '"'),
        ("csv", 'labels,probabilities\n1,0.5\n1,"', "1\n"),
        ("csv", "labels,probabilities\n1,0.5\n", "1,"),
        ("ndjson", '{"labels":1,"probabilities":0.5}\n{"labels":[', "1,"),
    ],
)
async def test_a_long_row_is_refused_with_its_number(format_: str, start: str, unit: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield start.encode()
        for _ in range(400):
            yield unit.encode() * 1000

    async with client_of(Settings(max_line_bytes=300_000)) as client:
        response = await sent(client, format_, pieces())
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert response.json()["detail"] == "row 1 must hold at most 300000 bytes, found more"


async def test_the_longest_row_is_told() -> None:
    async with client_of(Settings(max_line_bytes=12_345)) as client:
        assert (await client.get("/v1/limits")).json()["max_line_bytes"] == 12_345
        header = "labels,probabilities\n"
        for n_blanks, status in ((12_000, 200), (13_000, 413)):
            response = await sent(client, "csv", f"{header}1,{' ' * n_blanks}0.5\n0,0.5\n")
            assert response.status_code == status


async def test_names_of_digits_are_names_where_the_query_gives_classes(client: httpx.AsyncClient) -> None:
    body = "labels,probabilities\n7,0.75\n3,0.25\n"
    named = await sent(client, "csv", body, {"classes": ["3", "7"]})
    plain = await sent(client, "csv", body.replace("7,", "1,").replace("3,", "0,"))
    assert named.json()["metrics"] == plain.json()["metrics"]
    whole = await sent(client, "csv", body.replace("7,", "7.0,"), {"classes": ["3", "7"]})  # as pandas writes integers
    assert whole.json()["metrics"] == plain.json()["metrics"]  # in a column with gaps
    unknown = await sent(client, "csv", body + "7.5,0.5\n", {"classes": ["3", "7"]})
    assert [error["pointer"] for error in unknown.json()["errors"]] == ["/labels/2"]


@pytest.mark.parametrize("text", ["x", "+1", "01", "1.5"])
async def test_a_label_that_is_no_integer_is_told_with_its_row(text: str, client: httpx.AsyncClient) -> None:
    for n in (0, 5, 200_000):
        rows = "1,0.5\n" * n + f"{text},0.5\n0,0.5\n"
        response = await sent(client, "csv", "labels,probabilities\n" + rows)
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        rule = "must be an integer, or a name where the query gives `classes`"
        assert (error["pointer"], error["detail"]) == (f"/labels/{n}", f'{rule}, found the string "{text}"')


async def test_what_pandas_and_excel_write_is_read(client: httpx.AsyncClient) -> None:
    plain = (await sent(client, "csv", "labels,probabilities,mask\n1,0.75,true\n0,0.5,false\n0,0.25,true\n")).json()
    for body in (
        "labels,probabilities,mask\n1.0,0.75,True\n0.0,0.5,False\n0.0,0.25,True\n",
        "\ufefflabels,probabilities,mask\r\nTRUE,0.75,TRUE\r\nFALSE,,FALSE\r\nFALSE,0.25,TRUE\r\n",
        'labels, probabilities, mask\n"1", 0.75, true\n0, 0.5, false\n0, 0.25 , true\n\n',
    ):
        response = await sent(client, "csv", body)
        assert response.status_code == 200
        assert response.json()["metrics"] == plain["metrics"]


async def test_the_row_of_a_wrong_quote_is_told(client: httpx.AsyncClient) -> None:
    rows = '"1",0.5\n' * 200_000
    response = await sent(client, "csv", f'labels,probabilities\n{rows}1,5" pipe\n{rows}')
    assert response.status_code == 400
    assert response.json()["detail"].startswith("row 200000 must hold quotes only around whole fields")
