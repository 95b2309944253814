"""The scoring core: NumPy arrays in, floats out; no I/O, no framework, no logging."""
