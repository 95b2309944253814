"""The generated document: its named schemas, its texts, and examples whose answers the service gives itself."""
