"""The only SQL: jobs with the states of their shards, in SQLite or PostgreSQL."""
