"""The header Content-Type: parameters and quotes, and lengths beyond which it is not read."""

import pytest
from starlette.exceptions import HTTPException

from app.api.bounds import MAX_CONTENT_TYPE, MAX_RANGES
from app.api.negotiation.media import Unsupported, check_json, media_ranges, rows_format


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("text/csv", "csv"),
        (" Text/CSV ; header=present", "csv"),
        ('text/csv; charset="UTF-8"', "csv"),
        ("text/csv;CharSet=utf8", "csv"),
        ('text/csv; note="a; charset=latin-1 \\" b"; charset=utf-8', "csv"),
        ("application/x-ndjson; charset=us-ascii; charset=latin-1", "ndjson"),
        ("text/csv;" + " " * (MAX_CONTENT_TYPE - 9), "csv"),
    ],
)
def test_a_type_with_parameters(sent: str, name: str) -> None:
    assert rows_format(sent, "/v1/score/binary").name == name


@pytest.mark.parametrize(
    "sent", ["", "csv", "text/csv; charset=latin-1", 'text/csv; charset="utf-16"', "text/csv; charset=", "text /csv"]
)
def test_other_types_and_charsets_are_named(sent: str) -> None:
    with pytest.raises(Unsupported, match=f'found "{sent}"' if sent else "found none"):
        rows_format(sent, "/v1/score/binary")


def test_json_has_many_names() -> None:
    for sent in ("application/json", "APPLICATION/JSON;charset=utf-8", "application/problem+json"):
        check_json(sent)


def test_a_long_type_is_not_read() -> None:
    sent = "application/json;" + " " * (MAX_CONTENT_TYPE - 16)
    with pytest.raises(Unsupported, match=f"found {MAX_CONTENT_TYPE + 1} bytes of it, more than {MAX_CONTENT_TYPE}$"):
        check_json(sent)


def test_media_ranges_are_bounded() -> None:
    most = ",".join(["text/html"] * (MAX_RANGES - 1)) + ",*/*;q=0.5"
    assert media_ranges(most) == {"text/html": 1.0, "*/*": 0.5}
    with pytest.raises(HTTPException, match="at most 100 media ranges") as caught:
        media_ranges(most + ",")
    assert caught.value.status_code == 406
