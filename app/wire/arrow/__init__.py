"""The reader of Arrow IPC streams, and the writer of losses as one."""
