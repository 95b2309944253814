"""Paired comparison of candidates on the same rows."""
