"""Jobs as callers and runners know them, in either database."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from app.errors import IdempotencyConflict, StoreCorrupt, Unavailable
from app.store.jobs import JobStore
from app.store.leases import Lease
from app.store.records import GroupSums, Job, LeaseLost, Status, Submission, Totals
from app.store.tables import groups, jobs

REQUEST = b'{"task": "binary"}'


def submitted(store: JobStore, request: bytes = REQUEST) -> Job:
    job, is_new = store.submit(Submission(request), 100)
    assert is_new
    return job


def claimed(store: JobStore, seconds: float = 60) -> Lease:
    lease = store.claim(seconds, 100)
    assert lease
    return lease


def read(store: JobStore, job: Job) -> Job:
    found = store.get(job.id)
    assert found
    return found


def test_a_job_is_what_was_submitted(store: JobStore) -> None:
    before = time.time()
    job = submitted(store)
    assert (job.request, job.status, job.started_at, job.ended_at) == (REQUEST, Status.QUEUED, None, None)
    assert before - 1 < job.created_at < time.time() + 1
    assert read(store, job) == job
    assert store.get("f" * 32) is None
    assert store.get("no id at all, \0 even") is None


def test_a_key_gives_the_same_job_for_the_same_body_and_caller(store: JobStore) -> None:
    asked = Submission(REQUEST, "anna", "key\0" + "x" * 300)
    job, is_new = store.submit(asked, 1)
    assert is_new
    assert store.submit(asked, 1) == (job, False)  # whether or not there is room
    with pytest.raises(IdempotencyConflict, match=job.id):
        store.submit(replace(asked, request=b"{}"), 100)
    other, is_new = store.submit(replace(asked, request=b"{}", caller="bert"), 100)
    assert is_new
    assert other.id != job.id
    assert store.forget(job.id)
    anew, is_new = store.submit(replace(asked, request=b"{}"), 100)
    assert is_new
    assert anew.id != job.id


def test_so_many_jobs_wait_and_no_more(store: JobStore) -> None:
    for _ in range(3):
        store.submit(Submission(REQUEST), 3)
    with pytest.raises(Unavailable, match="at most 3 jobs may wait"):
        store.submit(Submission(REQUEST), 3)
    claimed(store)
    store.submit(Submission(REQUEST), 3)


def test_lists_are_the_newest_first_and_go_on_where_they_ended(store: JobStore) -> None:
    made = [submitted(store) for _ in range(7)][::-1]
    store.forget(made.pop(2).id)
    first = store.list(4)
    assert first + store.list(4, first[-1].number) == made
    assert store.list(4, made[-1].number) == []
    other, _ = store.submit(Submission(REQUEST, "anna"), 100)
    assert store.list(9, caller="anna") == [other]
    assert store.list(9) == [other, *made]


def test_runners_take_jobs_in_order_each_one_and_so_many_at_once(store: JobStore) -> None:
    first, second, third = (submitted(store) for _ in range(3))
    assert claimed(store).job.id == first.id
    assert store.claim(60, 1) is None
    assert claimed(store).job.id == second.id
    store.cancel(third.id)
    assert store.claim(60, 100) is None


def test_a_job_goes_from_plan_to_answer(store: JobStore) -> None:
    job = submitted(store)
    lease = claimed(store)
    assert (lease.job.status, lease.plan(), lease.written()) == (Status.RUNNING, None, frozenset())
    lease.write_plan(b"plan", Totals(shards=5, bytes=500, rows=None))
    assert lease.plan() == b"plan"
    assert lease.write_group(1, GroupSums(b"b" * 100_000, shards=2, rows=20, bytes=200, retried=1))
    assert lease.write_group(0, GroupSums(b"a", shards=3, rows=30, bytes=300, skipped=2))
    assert not lease.write_group(1, GroupSums(b"again", shards=2, rows=20, bytes=200))
    found = read(store, job).progress
    assert (found.shards_done, found.shards_total, found.rows_done, found.rows_total) == (5, 5, 50, None)
    assert (found.bytes_done, found.bytes_total, found.rows_skipped, found.shards_retried) == (500, 500, 2, 1)
    assert lease.written() == {0, 1}
    assert list(lease.groups()) == [(0, b"a"), (1, b"b" * 100_000)]
    lease.succeed(b"answer")
    ended = read(store, job)
    assert (ended.status, ended.result, ended.problem) == (Status.SUCCEEDED, b"answer", None)
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert job.created_at <= ended.started_at <= ended.ended_at
    assert store.list(1)[0] == replace(ended, result=None)


def test_many_groups_come_in_order(store: JobStore) -> None:
    submitted(store)
    lease = claimed(store)
    for number in range(100):
        lease.write_group(99 - number, GroupSums(bytes([number]), 1, 1, 1))
    assert list(lease.groups()) == [(number, bytes([99 - number])) for number in range(100)]


def test_a_job_that_failed_says_why(store: JobStore) -> None:
    job = submitted(store)
    claimed(store).fail(b'{"code": "invalid_input"}')
    ended = read(store, job)
    assert (ended.status, ended.result, ended.problem) == (Status.FAILED, None, b'{"code": "invalid_input"}')


@pytest.mark.parametrize("end", ["cancel", "forget", "taken over"])
def test_nothing_is_written_once_the_job_is_another_s(store: JobStore, end: str) -> None:
    job = submitted(store)
    lease = claimed(store, 0.0)
    if end == "taken over":
        assert claimed(store).job.id == job.id
    else:
        assert getattr(store, end)(job.id)
    with pytest.raises(LeaseLost):
        lease.renew()
    with pytest.raises(LeaseLost):
        lease.write_plan(b"", Totals(1, 1, 1))
    with pytest.raises(LeaseLost):
        lease.write_group(0, GroupSums(b"", 1, 1, 1))
    with pytest.raises(LeaseLost):
        lease.succeed(b"")
    with pytest.raises(LeaseLost):
        lease.fail(b"")
    with pytest.raises(LeaseLost):
        lease.release()
    assert lease.written() == frozenset()
    if end == "cancel":
        assert (read(store, job).status, read(store, job).progress.shards_done) == (Status.CANCELLED, 0)
        assert not store.cancel(job.id)
    if end == "forget":
        assert store.get(job.id) is None
        assert not store.forget(job.id)


def test_a_job_that_is_given_back_goes_on_where_it_was(store: JobStore) -> None:
    job = submitted(store)
    lease = claimed(store)
    lease.write_plan(b"plan", Totals(2, 2, 2))
    lease.write_group(0, GroupSums(b"a", 1, 1, 1))
    lease.release()
    assert read(store, job).status == Status.QUEUED
    other = claimed(store)
    assert (other.job.id, other.plan(), other.written(), other.n_fruitless) == (job.id, b"plan", frozenset({0}), 1)
    assert other.job.started_at == lease.job.started_at


def test_claims_without_progress_are_counted(store: JobStore) -> None:
    submitted(store)
    assert [claimed(store, 0.0).n_fruitless for _ in range(3)] == [1, 2, 3]
    lease = claimed(store, 0.0)
    lease.write_group(0, GroupSums(b"", 1, 1, 1))
    time.sleep(0.01)
    assert claimed(store, 0.0).n_fruitless == 1


def test_a_lease_that_is_renewed_is_kept_and_its_time_counted(store: JobStore) -> None:
    job = submitted(store)
    lease = claimed(store, 0.2)
    for _ in range(4):
        time.sleep(0.1)
        lease.renew()
    assert store.claim(60, 100) is None
    assert 0.4 <= read(store, job).progress.seconds <= lease.seconds_run() < 30


def test_jobs_are_counted_by_status(store: JobStore) -> None:
    for _ in range(3):
        submitted(store)
    claimed(store).succeed(b"")
    claimed(store)
    found = store.counts()
    assert found == dict.fromkeys(Status, 0) | {Status.SUCCEEDED: 1, Status.RUNNING: 1, Status.QUEUED: 1}


def test_sums_go_with_the_end_and_jobs_after_some_days_in_small_steps(store: JobStore) -> None:
    done, runs = submitted(store), submitted(store)
    leases = claimed(store), claimed(store)
    for lease in leases:
        for number in range(10):
            lease.write_group(number, GroupSums(b"x" * 1000, 1, 1, 1))
    assert store.sweep(30, 4) == 0
    leases[0].succeed(b"answer")
    assert [store.sweep(30, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert read(store, done).result == b"answer"
    assert len(leases[1].written()) == 10
    time.sleep(0.01)
    assert [store.sweep(0, 4), store.sweep(0, 4)] == [1, 0]
    assert store.get(done.id) is None
    assert store.forget(runs.id)
    assert [store.sweep(30, 9) for _ in range(3)] == [9, 1, 1]
    assert submitted(store).number > runs.number


@pytest.mark.parametrize("column", ["request", "result", "problem", "plan", "sums"])
def test_changed_bytes_are_never_read_as_others(store: JobStore, column: str) -> None:
    job = submitted(store)
    lease = claimed(store)
    lease.write_plan(b"plan", Totals(1, 1, 1))
    lease.write_group(0, GroupSums(b"sums", 1, 1, 1))
    if column == "result":
        lease.succeed(b"answer")
    if column == "problem":
        lease.fail(b"problem")
    with store._database.writing() as connection:
        held = (groups if column == "sums" else jobs).c[column]
        found = connection.scalars(select(held)).one()
        connection.execute(update(held.table).values({column: found[:-1] + bytes([found[-1] ^ 1])}))
    with pytest.raises(StoreCorrupt, match="submit the job anew"):
        read(store, job) if column in {"request", "result", "problem"} else (lease.plan(), list(lease.groups()))


def test_sums_of_another_place_do_not_fit(store: JobStore) -> None:
    submitted(store)
    lease = claimed(store)
    lease.write_group(0, GroupSums(b"sums", 1, 1, 1))
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE groups SET number = 1")
    with pytest.raises(StoreCorrupt, match="group 1"):
        list(lease.groups())
