"""The metrics: their registry, and what they read besides sums."""
