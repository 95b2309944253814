"""Arrow IPC streams to columns, and losses as one."""
