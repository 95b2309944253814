"""Exact sums over rows: states, tables by group, summaries of batches, and errors of means."""
