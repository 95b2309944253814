"""SQLite alone: a disk that fills, a file that is damaged, and several processes at one file."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import StoreCorrupt, StoreFull, Unavailable
from app.store.jobs import JobStore
from app.store.records import GroupSums, Status, Submission, Totals
from app.store.turns import Turns

REQUEST = b"{}"
KILOBYTE = 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "jobs.db"


@pytest.fixture
def store(path: Path) -> Iterator[JobStore]:
    opened = JobStore.open(f"sqlite:///{path}")
    yield opened
    opened.close()


def test_the_disk_fills_reads_go_on_and_it_recovers_by_itself(store: JobStore) -> None:
    job, _ = store.submit(Submission(REQUEST), 10)
    lease = store.claim(60, 1)
    assert lease
    lease.write_plan(b"plan", Totals(9, 9, 9))
    with store._database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreFull, match="can still be read"):
        lease.write_group(0, GroupSums(os.urandom(100 * KILOBYTE), 1, 1, 1))
    for _ in range(3):
        with pytest.raises(StoreFull):
            store.submit(Submission(os.urandom(100 * KILOBYTE)), 10)
    assert store.list(10) == [store.get(job.id)]
    assert (lease.plan(), lease.written()) == (b"plan", frozenset())
    with store._database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    lease.write_group(0, GroupSums(os.urandom(100 * KILOBYTE), 1, 1, 1))
    lease.succeed(b"answer")
    assert [found.status for found in store.list(10)] == [Status.SUCCEEDED]


FILLS = """
import os, resource, signal, sys
from app.errors import StoreFull
from app.store.jobs import JobStore
from app.store.records import Submission

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = JobStore.open(sys.argv[1])
job, _ = store.submit(Submission(b"{}"), 10)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
for _ in range(3):
    try:
        store.submit(Submission(os.urandom(400_000)), 10)
        sys.exit("it had room")
    except StoreFull:
        print("full")
assert store.get(job.id) == job
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.submit(Submission(os.urandom(400_000)), 10)
print(len(store.list(10)))
store.close()
"""


def test_the_system_lets_no_file_grow(path: Path) -> None:
    """A quota, as the system tells of it to a process."""
    assert resource.RLIMIT_FSIZE
    done = subprocess.run(
        [sys.executable, "-c", FILLS, f"sqlite:///{path}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["full", "full", "full", "2"]), done.stderr


def test_a_real_disk_that_is_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here: this test needs the rights to")
    try:
        store = JobStore.open(f"sqlite:///{disk}/jobs.db")
        job, _ = store.submit(Submission(REQUEST), 10)
        filling = disk / "other"
        with pytest.raises(OSError, match="No space left"):
            filling.write_bytes(bytes(2**20))
        for _ in range(3):
            with pytest.raises(StoreFull):
                store.submit(Submission(os.urandom(100 * KILOBYTE)), 10)
        assert store.get(job.id) == job
        filling.unlink()
        store.submit(Submission(os.urandom(100 * KILOBYTE)), 10)
        assert len(store.list(10)) == 2
        store.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_damaged_file_is_told_as_such(store: JobStore, path: Path) -> None:
    for _ in range(20):
        store.submit(Submission(os.urandom(10 * KILOBYTE)), 100)
    store.close()
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreCorrupt):
        JobStore.open(f"sqlite:///{path}")
    path.write_bytes(whole[: 8 * KILOBYTE] + os.urandom(len(whole) - 16 * KILOBYTE) + whole[-8 * KILOBYTE :])
    with pytest.raises(StoreCorrupt):
        JobStore.open(f"sqlite:///{path}").list(100)
    path.write_bytes(whole)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be opened"):
        JobStore.open(f"sqlite:///{tmp_path}/file/jobs.db")


def test_a_store_of_a_newer_release_is_left_alone(store: JobStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Unavailable, match="newer"):
        JobStore.open(f"sqlite:///{path}")


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:", "mysql://host/name", "nothing"])
def test_other_databases_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        JobStore.open(address)


WRITES = """
import sys
from app.store.jobs import JobStore
from app.store.records import Submission
store = JobStore.open(sys.argv[1])
for number in range(40):
    store.submit(Submission(b"x" * 5000), 10**6)
store.close()
"""


def test_several_processes_write_to_one_file(path: Path) -> None:
    """Processes make the file, bring it up to date and checkpoint it, all at once."""
    command = [sys.executable, "-c", WRITES, f"sqlite:///{path}"]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(240) for process in processes] == [0, 0, 0]
    store = JobStore.open(f"sqlite:///{path}")
    assert len(store.list(1000)) == 120
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["jobs.db", "jobs.db-lock"]


def test_readers_cannot_write_nor_checkpoint(store: JobStore, path: Path) -> None:
    store.submit(Submission(REQUEST), 10)
    with pytest.raises(StoreFull), store._database.reading() as connection:  # SQLite says that it may not write
        connection.exec_driver_sql("PRAGMA wal_checkpoint")
    before = path.read_bytes()
    store._database._readers.dispose()  # type: ignore[union-attr]
    assert path.read_bytes() == before
    assert path.with_name("jobs.db-wal").stat().st_size > 0


def test_a_turn_that_does_not_come_is_told(tmp_path: Path) -> None:
    ours, theirs = (Turns(tmp_path / "lock", 0.05) for _ in range(2))
    with ours.turn(), pytest.raises(Unavailable, match=r"within 0\.05 seconds"), theirs.turn():
        pass
    with theirs.turn():
        pass
    ours.close()
    theirs.close()


def test_a_copy_of_the_file_is_a_store(store: JobStore, path: Path, tmp_path: Path) -> None:
    """A backup that was made by copying the file and its log, while nothing wrote."""
    job, _ = store.submit(Submission(REQUEST), 10)
    for name in ("jobs.db", "jobs.db-wal"):
        shutil.copy(path.with_name(name), tmp_path / name)
    copied = JobStore.open(f"sqlite:///{tmp_path}/jobs.db")
    assert copied.get(job.id) == job
    copied.close()
