"""NumPy archives to columns."""
