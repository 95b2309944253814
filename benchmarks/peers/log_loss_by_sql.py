"""The log loss of the rows of Parquet files by SQL, in polars or DuckDB: `python log_loss_by_sql.py ENGINE GLOB`.

Each line on the standard input asks for one turn, whose seconds and log loss are answered in a line.
"""

import sys
import time
from importlib import import_module
from typing import Any

N_CLASSES = 5
CASES = " ".join(f"WHEN {j} THEN probabilities_{j}" for j in range(N_CLASSES))
QUERY = f"SELECT avg(-ln(CAST(CASE labels {CASES} END AS DOUBLE))) AS loss FROM "  # noqa: S608 made of the lines above


def by_polars(polars: Any, files: str) -> float:
    rows = polars.SQLContext(rows=polars.scan_parquet(files))
    loss: float = rows.execute(QUERY + "rows", eager=True)["loss"][0]
    return loss


def by_duckdb(duckdb: Any, files: str) -> float:
    loss: float = duckdb.sql(f"{QUERY} read_parquet('{files}')").fetchall()[0][0]
    return loss


def main() -> None:
    name, files = sys.argv[1:]
    engine, loss = import_module(name), {"polars": by_polars, "duckdb": by_duckdb}[name]
    for _ in sys.stdin:
        start = time.perf_counter()
        found = loss(engine, files)
        print(time.perf_counter() - start, found, flush=True)


if __name__ == "__main__":
    main()
