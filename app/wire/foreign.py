"""The advice about bytes that are not of the format that they were sent as: what they look like, and what to do."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

STARTS = {
    b"\x1f\x8b": "gzip: send it with Content-Encoding: gzip",
    b"\x28\xb5\x2f\xfd": "zstd: send it with Content-Encoding: zstd",
    b"PK\3\4": "a ZIP archive: NumPy's are application/x-npz; unpack others",
    b"PAR1": "a Parquet file, which is application/vnd.apache.parquet",
    b"\xff\xff\xff\xff": "an Arrow stream, which is application/vnd.apache.arrow.stream",
    b"ARROW1": "an Arrow file: send it as application/vnd.apache.arrow.stream",
    b"\x93NUMPY": "a single NumPy array: write a named one with numpy.savez",
    b"BZh": "bzip2: compress with gzip or zstd",
    b"\xfd7zXZ": "xz: compress with gzip or zstd",
    BOM_UTF32_LE: "UTF-32: encode the text as UTF-8",
    BOM_UTF32_BE: "UTF-32: encode the text as UTF-8",
    BOM_UTF16_LE: "UTF-16: encode the text as UTF-8",
    BOM_UTF16_BE: "UTF-16: encode the text as UTF-8",
}
"""The kind of bytes and the advice, by how the bytes begin; longer beginnings stand before those that they contain."""
N_START = max(map(len, STARTS))
KEPT_WHOLE = "curl sends a file as it is with --data-binary; -d leaves line ends out"
"""The advice where a body looks as if curl had joined its lines."""
NOT_UTF_8 = "is it Latin-1 or Windows-1252? encode the text as UTF-8"


def likeness(body: bytes | bytearray | memoryview) -> str:
    r"""The kind of bytes by their beginning, and the advice about it; empty if they may be UTF-8.

    >>> likeness(b"\x1f\x8b\x08"), likeness("{}".encode("utf-16-le")), likeness(b"{}")
    ('gzip: send it with Content-Encoding: gzip', 'UTF-16: encode the text as UTF-8', '')
    """
    start = bytes(body[:N_START])
    for mark, words in STARTS.items():
        if start.startswith(mark):
            return words
    n_zeros = start[:4].count(0)  # zeros are the upper bytes of ASCII characters in wider units
    return f"UTF-{32 if n_zeros > 2 else 16}: encode the text as UTF-8" if n_zeros else ""


def not_utf_8(text: bytes | bytearray) -> str:
    """The first byte of a text that is not UTF-8, and what to do about it; empty if it is UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"must be UTF-8, found the byte {text[error.start]:#04x} at position {error.start}; {NOT_UTF_8}"
    return ""
