"""Parquet files to columns."""
