"""JSON bodies to columns."""
