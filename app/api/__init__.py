"""The HTTP face: what comes in is checked here, what goes out documented, and errors get their status."""
