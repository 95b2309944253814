"""Bodies as they arrive: read whole, spooled, while they arrive, while the client is connected."""
