"""Readers that make columns of bytes: one folder a format, and no HTTP."""
