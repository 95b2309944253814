"""Readers of what other programs write, as rows and fields of requests."""
