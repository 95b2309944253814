"""Write the small data set that comes with the service, as jobs to try read it: `python scripts/sample_data_set.py`."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

SAMPLE = Path(__file__).parents[1] / "app/web/sample"
CLASSES = ("cat", "dog", "emu")
ROWS = {"paris": 300, "lyon": 200}
SEED = 1


def rows(n_rows: int, generator: np.random.Generator) -> pa.Table:
    """Some predictions of a model that is somewhat too sure, and what came true."""
    true = generator.dirichlet(np.ones(len(CLASSES)), n_rows)
    told = true**1.25 / (true**1.25).sum(axis=1, keepdims=True)
    outcome = (generator.random((n_rows, 1)) > true.cumsum(axis=1)).sum(axis=1)
    columns = {"outcome": np.array(CLASSES)[outcome]}
    columns |= {f"p_{name}": told[:, place].astype(np.float32) for place, name in enumerate(CLASSES)}
    return pa.table(columns)


def main() -> None:
    """Write a file for each site."""
    generator = np.random.default_rng(SEED)
    for site, n_rows in ROWS.items():
        folder = SAMPLE / f"site={site}"
        folder.mkdir(parents=True, exist_ok=True)
        parquet.write_table(rows(n_rows, generator), folder / "part-0.parquet", compression="zstd")


if __name__ == "__main__":
    main()
