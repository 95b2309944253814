"""Fits that calibrate: temperature, Platt's sigmoid, isotonic, and their gain on unseen rows."""
