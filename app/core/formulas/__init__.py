"""The mathematics of a row: losses, divergences, bins and weights, one function a quantity."""
