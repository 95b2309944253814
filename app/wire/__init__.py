"""From bytes to columns: one room a format, and no HTTP."""
