"""The metrics: their registry, and the quantities that they read besides sums."""
