"""The command `surprisal`."""
