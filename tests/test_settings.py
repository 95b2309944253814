import pytest
from pydantic import ValidationError

from app.settings import Settings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_MAX_BODY_BYTES", "1000")
    monkeypatch.setenv("SURPRISAL_LOG_LEVEL", "debug")
    settings = Settings()
    assert (settings.max_body_bytes, settings.log_level) == (1000, "debug")


def test_what_orchestrators_inject_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_PORT", "tcp://10.0.0.1:80")
    assert Settings().max_body_bytes == 16 * 2**20


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().max_threads = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_THREADS", "0"), ("BODY_TIMEOUT_SECONDS", "-1"), ("LOG_LEVEL", "loud"), ("MAX_WAITING", "many")],
)
def test_a_wrong_value_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SURPRISAL_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    ("one", "all_"), [("max_body_bytes", "max_buffered_bytes"), ("max_spooled_bytes", "max_filed_bytes")]
)
def test_no_body_fits_that_the_room_for_all_cannot_hold(one: str, all_: str) -> None:
    with pytest.raises(ValidationError, match=f"{one} must be at most {all_}"):
        Settings.model_validate({one: 2000, all_: 1000})


def test_every_setting_says_what_it_does() -> None:
    assert all(field.description for field in Settings.model_fields.values())
