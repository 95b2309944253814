"""From bytes to columns: one module a format, and no HTTP."""
