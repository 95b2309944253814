"""Calibration: confidence compared with what was observed, in bins, by level, smoothed and decomposed."""
