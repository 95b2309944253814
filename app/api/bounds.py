"""The bounds of HTTP that no setting changes; `GET /v1/limits` tells them, and the server holds them."""

MAX_HEAD_BYTES = 64 * 2**10
"""The largest request line with headers, and the largest trailers of a body; beyond it 431."""
MAX_HEADER_BYTES = 8 * 2**10
"""The longest header, name and value; beyond it 431."""
MAX_HEADER_LINES = 100
"""The most headers of a request, and the most trailers of a body; beyond it 431."""
MAX_CONTENT_TYPE = 256
"""The longest `Content-Type` that is looked at, in bytes; a longer one names no format, which is 415."""
MAX_RANGES = 100
"""The most media ranges that `Accept` may list; beyond it 406."""
MAX_PIPELINED = 16
"""The most requests of a connection that wait while one is answered; beyond it the connection is closed after them. The
parser cannot pause, and a client sends again what has no answer (RFC 9112, 9.3.2)."""
MAX_CHUNKS_PER_SECOND = 100_000
"""The most chunks of a body in a second; beyond it 400."""
