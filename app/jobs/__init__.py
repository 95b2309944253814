"""Datasets: sources cut into shards, shards scored into states by an engine, and the life of a job."""
