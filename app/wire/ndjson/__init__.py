"""JSON Lines: an object a row, its fields named like the columns."""
