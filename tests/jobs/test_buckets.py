"""Data sets in a bucket, by the protocol of S3: what fails for a moment is tried again, what is wrong is told."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.errors import InvalidInput, SourceChanged, SourceUnavailable, SurprisalError
from app.jobs.dask_engine import DaskEngine
from app.jobs.planning import plan
from app.jobs.requests import Bounds
from app.jobs.scoring import scored, scoring_of
from app.wire.files.systems import system_of
from tests.api.servers import running
from tests.jobs.buckets import KEY, SECRET, Buckets, bad_weather, credentials, serving_buckets
from tests.jobs.clusters import running_cluster
from tests.jobs.outcomes import Outcomes, request_of, run, written

ROOT = "s3://predictions/good"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return written(tmp_path_factory.mktemp("rows") / "good")


@pytest.fixture(scope="module")
def buckets(outcomes: Outcomes) -> Iterator[Buckets]:
    with serving_buckets() as served:
        served.upload(outcomes.folder.parent, "predictions")
        yield served


@pytest.fixture
def as_worker(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give this process the credentials of the bucket, as workers have them."""
    for name, value in credentials(buckets.port).items():
        monkeypatch.setenv(name, value)
    system_of.cache_clear()
    yield
    system_of.cache_clear()


def refusal(source: str, *roots: str) -> SurprisalError:
    with pytest.raises(SurprisalError) as raised:
        plan(request_of(source), Bounds(roots or ("s3://predictions",)))
    assert SECRET not in str(raised.value)
    return raised.value


@pytest.mark.slow  # 12, most of it until servers and workers are there
@pytest.mark.timeout(600)
def test_a_bucket_in_bad_weather_gives_the_bits_of_all_rows(
    buckets: Buckets, outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bad_weather(buckets) as weather:
        environment = credentials(weather.server_port)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        system_of.cache_clear()
        try:
            with running_cluster(tmp_path, 2, environment) as cluster:
                found = run(DaskEngine(cluster.address), ROOT, max_groups=4)
                written_down = cluster.log()
        finally:
            system_of.cache_clear()
    assert found == outcomes.whole()
    assert weather.counts["slowed down"] > 10
    assert weather.counts["reset"] > 10
    for secret in (KEY, SECRET):
        assert secret not in written_down
        assert secret not in found.decode()


@pytest.mark.slow  # 10, most of it until servers and workers are there
@pytest.mark.timeout(600)
def test_credentials_stand_in_no_answer_log_or_database(buckets: Buckets, outcomes: Outcomes, tmp_path: Path) -> None:
    settings = {"SURPRISAL_DATASET_ROOTS": ROOT, "SURPRISAL_DATABASE_URL": f"sqlite:///{tmp_path}/jobs.db"}
    environment = credentials(buckets.port)
    columns = {"labels": "outcome", "probabilities": "p_*", "slices": "site"}
    told: list[str] = []
    with (
        running_cluster(tmp_path, 2, environment) as cluster,
        running(SURPRISAL_DASK_SCHEDULER=cluster.address, **settings, **environment) as service,
        httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=60) as client,
    ):
        jobs = [{"source": source} for source in (ROOT, f"{ROOT}/none/*.csv", f"s3://{KEY}:{SECRET}@predictions/good")]
        for job in jobs:
            handed_in = client.post("/v1/jobs", json={"task": "multiclass", "columns": columns, **job})
            told.append(handed_in.text)
            place = handed_in.headers.get("location")
            while place and (found := client.get(place)).json()["status"] in ("queued", "running"):
                time.sleep(0.1)
            told += [found.text] if place else []
        told.append(cluster.log())
    assert '"succeeded"' in told[1]
    assert str(len(outcomes.labels)) in told[1]
    told += [repr(service.log), *(path.read_bytes().decode("latin-1") for path in tmp_path.glob("jobs.db*"))]
    assert [text[:200] for text in told if SECRET in text or KEY in text] == []


@pytest.mark.slow  # 4, until moto's server is there
@pytest.mark.usefixtures("as_worker")
class TestPlanning:
    """The planning of a bucket, in one class for its server is slow to start."""

    def test_neither_plan_nor_sums_hold_credentials(self) -> None:
        request, bounds = request_of(ROOT), Bounds((ROOT,))
        made = plan(request, bounds)
        sums = scored(made.groups[0], scoring_of(made, request, bounds))
        for secret in (KEY, SECRET):
            assert secret not in repr((request, made, sums))

    def test_a_bucket_or_a_key_that_is_not_there(self) -> None:
        assert isinstance(refusal("s3://nobody/x", "s3://nobody"), SourceUnavailable | InvalidInput)
        assert "must name files that exist" in str(refusal("s3://predictions/bad/*.parquet"))

    def test_a_place_outside_of_the_roots(self) -> None:
        for source in ("s3://predictions", "s3://predictions/goodness", "s3://others/good", "s3://predictions/go*/x"):
            assert refusal(source, ROOT).code == "outside_roots"
        assert "must hold no `..`" in str(refusal("s3://predictions/good/../other", ROOT))

    def test_credentials_in_the_address(self) -> None:
        told = refusal(f"s3://{KEY}:{SECRET}@predictions/good")
        assert "must hold no credentials" in str(told)
        assert KEY not in str(told)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "found one of 0 bytes"),
            (b"PAR1 and then nothing of the kind", "bad.parquet"),
            (b"<html>Not Found</html>", "bad.parquet"),
        ],
    )
    def test_a_file_that_is_no_parquet(self, buckets: Buckets, content: bytes, told: str) -> None:
        put(buckets, "predictions/odd/bad.parquet", content)
        assert told in str(refusal("s3://predictions/odd"))

    def test_a_file_that_was_cut(self, buckets: Buckets, outcomes: Outcomes) -> None:
        whole = next(outcomes.folder.rglob("*.parquet")).read_bytes()
        put(buckets, "predictions/odd/bad.parquet", whole[: len(whole) // 2])
        assert "s3://predictions/odd/bad.parquet" in str(refusal("s3://predictions/odd"))

    def test_a_file_that_changes_after_it_was_planned(self, buckets: Buckets, outcomes: Outcomes) -> None:
        first, second = sorted(outcomes.folder.rglob("*.parquet"))[:2]
        key = "predictions/changing/site=x/a.parquet"
        put(buckets, key, first.read_bytes())
        request, bounds = request_of("s3://predictions/changing"), Bounds(("s3://predictions",))
        made = plan(request, bounds)
        put(buckets, key, second.read_bytes() + b"more")
        with pytest.raises(SourceChanged, match="must stay as it was"):
            scored(made.groups[0], scoring_of(made, request, bounds))

    def test_credentials_that_do_not_fit(self, buckets: Buckets) -> None:
        buckets.check_keys(0)
        try:
            told = refusal(ROOT)
        finally:
            buckets.check_keys(10**9)
        assert told.code == "source_unavailable"
        assert KEY not in str(told)


def put(buckets: Buckets, key: str, content: bytes) -> None:
    with buckets.files().open_output_stream(key) as stream:
        stream.write(content)
