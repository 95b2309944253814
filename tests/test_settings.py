import pytest
from pydantic import ValidationError

from app.machine import memory_bytes
from app.settings import DIVIDED, Settings, WrongSettings, read


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_MAX_BODY_BYTES", "1000")
    monkeypatch.setenv("SURPRISAL_LOG_LEVEL", "debug")
    settings = Settings()
    assert (settings.max_body_bytes, settings.log_level) == (1000, "debug")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SURPRISAL_SERVICE_HOST", "10.0.0.1"),
        ("SURPRISAL_SERVICE_PORT", "8000"),
        ("SURPRISAL_SERVICE_PORT_HTTP", "8000"),
        ("SURPRISAL_PORT", "tcp://10.0.0.1:8000"),
        ("SURPRISAL_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("SURPRISAL_PORT_8000_TCP_PROTO", "tcp"),
        ("SURPRISAL_PORT_8000_TCP_PORT", "8000"),
        ("SURPRISAL_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("SURPRISAL_DB_PORT", "udp://10.0.0.1:53"),
        ("SURPRISAL_DB_2_SERVICE_HOST", "10.0.0.1"),
        ("SURPRISAL_URL", "http://10.0.0.1:8000"),
        ("SURPRISAL_KEY", "0"),
        ("SURPRISAL_HOME", "surprisal"),
        ("OTHER_MAX_THREAD", "4"),
    ],
)
def test_variables_of_kubernetes_and_of_the_client_do_no_harm(name: str, value: str) -> None:
    assert read({name: value}) == Settings()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SURPRISAL_MAX_THREAD", "did you mean SURPRISAL_MAX_THREADS?"),
        ("surprisal_body_timeout", "did you mean SURPRISAL_BODY_TIMEOUT_SECONDS?"),
        ("SURPRISAL_MAXBODYBYTES", "did you mean SURPRISAL_MAX_BODY_BYTES?"),
        ("SURPRISAL_LOGLEVEL", "did you mean SURPRISAL_LOG_LEVEL?"),
        ("SURPRISAL_ZZZ", "the settings are SURPRISAL_"),
        ("SURPRISAL_", "the settings are SURPRISAL_"),
        ("SURPRISAL_PORT", "the port is an argument: --port"),
        ("SURPRISAL_HOST", "the address is an argument: --host"),
        ("SURPRISAL_SERVICE_HOSTS", "found none of that name"),
        ("SURPRISAL_PORT_HTTP_TCP", "found none of that name"),
        ("SURPRISAL_PORT_8000_TCP_NAME", "found none of that name"),
        ("SURPRISAL_SERVICE", "found none of that name"),
    ],
)
def test_a_slip_stops_the_start_and_the_nearest_setting_is_named(name: str, told: str) -> None:
    with pytest.raises(WrongSettings) as error:
        read({name: "4"})
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{name} must be a setting")
    assert told in line


def test_every_mistake_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_MAX_THREADS", "0")
    monkeypatch.setenv("SURPRISAL_LOG_LEVEL", "loud" * 100)
    monkeypatch.setenv("SURPRISAL_MAX_WAITING", "many")
    with pytest.raises(WrongSettings) as error:
        read({"SURPRISAL_MAX_THREAD": "4"})
    slip, *wrong = str(error.value).splitlines()
    assert "SURPRISAL_MAX_THREADS?" in slip
    assert wrong == [
        f"""SURPRISAL_LOG_LEVEL must be 'debug', 'info', 'warning' or 'error', found "{"loud" * 20}\"""",
        'SURPRISAL_MAX_THREADS must be greater than or equal to 1, found "0"',
        'SURPRISAL_MAX_WAITING must be a valid integer, found "many"',
    ]


def test_two_settings_that_do_not_go_together_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_MAX_SPOOLED_BYTES", "5000000000")
    with pytest.raises(WrongSettings) as error:
        read()
    rule = "SURPRISAL_MAX_SPOOLED_BYTES must be at most SURPRISAL_MAX_FILED_BYTES, found 5000000000 and 4294967296"
    assert str(error.value) == rule


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_MAX_THREADS", "")
    assert read({"SURPRISAL_MAX_THREADS": ""}) == Settings.model_construct()


@pytest.mark.parametrize(("value", "path"), [("", ""), ("/", ""), ("/a", "/a"), ("/a/b-c.d_e~1/", "/a/b-c.d_e~1")])
def test_a_path_prefix_is_a_path(value: str, path: str) -> None:
    assert Settings(root_path=value).root_path == path


@pytest.mark.parametrize("value", ["a", "a/b", "//a", "/..", "/a/../b", "/a b", "/ä", "http://a/b", "/a?b", "/v1"])
def test_a_path_prefix_is_nothing_else(value: str) -> None:
    with pytest.raises(ValidationError, match="root_path"):
        Settings(root_path=value)


@pytest.mark.parametrize(
    ("value", "roots"),
    [
        ("", ""),
        ("/", "/"),
        ("/srv/predictions/, s3://bucket/a/", "/srv/predictions,s3://bucket/a"),
        ("gs://bucket,abfss://container@account.dfs.core.windows.net/a", None),
    ],
)
def test_roots_are_folders_and_prefixes_of_buckets(value: str, roots: str | None) -> None:
    assert Settings(dataset_roots=value).dataset_roots == (value if roots is None else roots)


@pytest.mark.parametrize(
    "value", ["predictions", "../a", "s3:/bucket", "s3://", "file:///srv", "C:\\a", "s3://b?key=1"]
)
def test_roots_are_nothing_else(value: str) -> None:
    with pytest.raises(ValidationError, match="must be absolute folders or prefixes"):
        Settings(dataset_roots=value)


def test_roots_hold_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_DATASET_ROOTS", "s3://key:secret@bucket")
    with pytest.raises(WrongSettings, match="must hold no credentials") as error:
        read()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "value", ["sqlite:////data/a.db", "postgresql://user:word@host:5432/name?sslmode=require", "postgresql:///name"]
)
def test_a_database_is_a_file_of_sqlite_or_postgresql(value: str) -> None:
    assert Settings(database_url=value).database_url == value


def test_no_message_repeats_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISAL_DATABASE_URL", "mysql://user:secret@host/name")
    with pytest.raises(WrongSettings) as error:
        read()
    assert str(error.value).endswith('found "mysql://...@host/name"')


@pytest.mark.parametrize("value", ["scheduler:8786", "tcp://scheduler", "http://scheduler:8786", "tcp://a:b@c:1"])
def test_a_scheduler_has_an_address_of_dask(value: str) -> None:
    with pytest.raises(ValidationError, match="must be an address such as tcp://scheduler:8786"):
        Settings(dask_scheduler=value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().max_threads = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_THREADS", "0"),
        ("BODY_TIMEOUT_SECONDS", "-1"),
        ("SPOOL_TIMEOUT_SECONDS", "inf"),
        ("LOG_LEVEL", "loud"),
        ("MAX_WAITING", "many"),
    ],
)
def test_a_wrong_value_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SURPRISAL_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_no_body_fits_that_the_room_for_all_cannot_hold() -> None:
    rule = "SURPRISAL_MAX_SPOOLED_BYTES must be at most SURPRISAL_MAX_FILED_BYTES"
    with pytest.raises(ValidationError, match=rule):
        Settings(max_spooled_bytes=2000, max_filed_bytes=1000)


def test_every_setting_says_what_it_does() -> None:
    assert all(field.description.startswith("The ") for field in Settings.model_fields.values() if field.description)
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("n_workers", [1, 2, 3, 4])
def test_shares_of_workers_add_up_to_the_limits(n_workers: int) -> None:
    whole = Settings(max_waiting=1, memory_bytes=2**31 + 1)
    shares = [whole.share(worker, n_workers) for worker in range(n_workers)]
    for name in Settings.model_fields:
        values = [getattr(share, name) for share in shares]
        expected = getattr(whole, name)
        assert (sum(values) if name in DIVIDED else values[0]) == expected
        assert set(values) == {values[0]} or name in DIVIDED
    assert min(share.max_threads for share in shares) >= 1


def test_workers_share_the_memory_that_is_found() -> None:
    share = Settings().share(0, 2)
    assert share.memory_bytes == (memory_bytes() + 1) // 2


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_threads": 1}, "SURPRISAL_MAX_THREADS must be at least 2, one a worker, found 1"),
        ({"max_streams": 1}, "SURPRISAL_MAX_STREAMS must be at least 2, one a worker, found 1"),
        (
            {"max_spooled_bytes": 10, "max_filed_bytes": 19},
            "SURPRISAL_MAX_SPOOLED_BYTES for each of 2 workers, found 19",
        ),
    ],
)
def test_limits_that_are_too_small_to_be_divided_are_named(limits: dict[str, int], told: str) -> None:
    settings = Settings.model_validate(limits)
    assert settings.most_workers == 1
    with pytest.raises(WrongSettings) as error:
        settings.share(0, 2)
    assert told in str(error.value)
