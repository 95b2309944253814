"""The command that makes keys, and the addresses that a service without keys may have."""

import logging
from pathlib import Path

import pytest

from app.__main__ import main
from app.api.access.exposure import check_exposure, is_loopback
from app.api.access.keys import Keys
from app.api.access.lines import parse
from app.settings import Settings, WrongSettings

NEW = ["keys", "new", "--name", "ci", "--scopes", "score"]


def test_a_key_without_a_file_is_shown_with_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SURPRISAL_API_KEYS_FILE", raising=False)
    main([*NEW, "--rate", "10/hour"])
    shown = capsys.readouterr()
    token = shown.out.strip()
    (key,) = parse(shown.err.splitlines()[1]).values()
    assert (key.name, key.scopes, key.rate) == ("ci", ("score",), (10, "hour"))
    assert token.startswith("surprisal_")
    assert token not in shown.err


def test_a_key_is_added_to_the_file_that_the_environment_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    monkeypatch.setenv("SURPRISAL_API_KEYS_FILE", str(path))
    main(NEW)
    first = capsys.readouterr().out.strip()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text().rstrip("\n"))  # as some editors leave it
    main(["keys", "new", "--name", "bot", "--scopes", "read"])
    second = capsys.readouterr().out.strip()
    keys = Keys(str(path))
    assert [found.name for token in (first, second) if (found := keys.of(token))] == ["ci", "bot"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (NEW, 'has one of the name "ci"'),
        (["keys", "new", "--name", "c i", "--scopes", "score"], "the name must have"),
        (["keys", "new", "--name", "b", "--scopes", "write"], "scopes must be of score"),
        (["keys", "new", "--name", "b", "--scopes", "score", "--file", "/nothing/here"], "No such file"),
    ],
)
def test_a_key_that_cannot_be_made_changes_nothing(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    monkeypatch.setenv("SURPRISAL_API_KEYS_FILE", str(path))
    main(NEW)
    before = path.read_text()
    with pytest.raises(SystemExit, match=told):
        main(arguments)
    assert path.read_text() == before


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "no-such-host.invalid"])
def test_this_machine_alone_is_served_without_keys(host: str) -> None:
    assert is_loopback(host)
    check_exposure(Settings(), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])  # noqa: S104 - nothing listens there
def test_others_are_served_with_keys_or_the_word_of_the_operator(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WrongSettings, match="SURPRISAL_OPEN=1 if something else guards the service"):
        check_exposure(Settings(), host)
    caplog.set_level(logging.WARNING)
    check_exposure(Settings(api_keys_file="keys"), host)
    assert caplog.messages == []
    check_exposure(Settings(open=True), host)
    assert "open to everybody" in caplog.messages[0]
