"""Confidence against what was observed: bins, levels, smoothed and decomposed."""
