"""Batches of rows: what they hold, checked once, and which of them are looked at."""
