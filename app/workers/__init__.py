"""Worker processes that serve as one: their number and shares, who replaces the dead, and who takes a client."""
