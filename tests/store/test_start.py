"""A service that only scores has no store: nothing of SQL and of clusters is imported, and no file is made."""

import subprocess
import sys
from pathlib import Path

from tests.api.servers import ROOT

HEAVY = ("sqlalchemy", "alembic", "sqlite3", "psycopg", "dask", "distributed")

STARTS = f"""
import asyncio, sys
from app.main import create_app
from app.settings import Settings

async def serve(app):
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0.1)

for settings in (Settings(), Settings(dataset_roots="/srv/predictions")):
    asyncio.run(serve(create_app(settings)))
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_a_start_without_jobs_imports_nothing_of_sql(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.decode()) == (0, "[]\n"), done.stderr.decode()
    assert list(tmp_path.iterdir()) == []
