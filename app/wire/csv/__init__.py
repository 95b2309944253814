"""CSV to columns."""
