"""A file of keys that changes while it is used."""

import logging
import os
from pathlib import Path

import pytest

from app.api.access.keys import MAX_FILE_BYTES, Keys
from app.api.access.lines import WrongKeys
from app.api.access.scopes import NEEDS, SCOPES, needs
from app.main import create_app
from app.settings import Settings
from tests.api.access.keyring import LINES, TOKENS, written


def names(keys: Keys) -> set[str]:
    return {name for name, token in TOKENS.items() if keys.of(token)}


def test_a_change_is_heeded_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keys = Keys(written(tmp_path / "keys", "scorer"))
    written(tmp_path / "keys", "reader", "admin")
    keys.refresh()
    keys.refresh()
    assert names(keys) == {"reader", "admin"}
    assert caplog.messages == ["the file of keys has changed: it holds 2"]


def test_a_file_put_in_its_place_is_heeded(tmp_path: Path) -> None:
    """Kubernetes replaces a file by another, which may have the size and the time of the old one."""
    keys = Keys(written(tmp_path / "keys", "admin"))
    times = (tmp_path / "keys").stat()
    (tmp_path / "new").write_text((tmp_path / "keys").read_text().replace("admin", "owner", 1))
    os.utime(tmp_path / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "new").replace(tmp_path / "keys")
    keys.refresh()
    found = keys.of(TOKENS["admin"])
    assert found
    assert found.name == "owner"


@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_that_went_wrong_leaves_the_keys(
    is_there: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(written(tmp_path / "keys", "scorer"))
    if is_there:
        (tmp_path / "keys").write_text("reader read\n")
    else:
        (tmp_path / "keys").unlink()
    keys.refresh()
    assert names(keys) == {"scorer"}
    (told,) = caplog.messages
    assert told.startswith("the keys stay as they were: ")
    written(tmp_path / "keys", "reader")
    keys.refresh()
    assert names(keys) == {"reader"}


def test_an_empty_file_lets_nobody_in(tmp_path: Path) -> None:
    assert names(Keys(written(tmp_path / "keys"))) == set()


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(WrongKeys, match=r"keys must be readable: No such file"):
        create_app(Settings(api_keys_file=str(tmp_path / "keys")))
    (tmp_path / "keys").write_text(f"{LINES['scorer']}\n" + "#" * MAX_FILE_BYTES)
    with pytest.raises(WrongKeys, match=rf"must have at most {MAX_FILE_BYTES} bytes"):
        Keys(str(tmp_path / "keys"))


def test_every_route_is_in_the_table_and_every_line_of_it_is_needed() -> None:
    listed = set()
    for route in create_app(Settings()).routes:
        parts = route.path.split("/")  # type: ignore[attr-defined]
        listed.add("/".join(parts[: 3 if parts[1] == "v1" else 2]))
    assert listed == NEEDS.keys()
    assert needs("/v1/other") == ("admin",)
    assert {scope for needed in NEEDS.values() for scope in needed} < set(SCOPES)
