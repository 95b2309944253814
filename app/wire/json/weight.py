"""An estimate of the memory that the objects of a JSON text take in Python, before it is parsed."""

from app.core.kernels.json_columns import count_byte
from app.core.paying import hold

FREE_BYTES = 2**16
"""The longest text for which nothing is paid: its objects take some megabytes, and only for a moment."""
STRING_BYTES = 56
_LIST, _ITEM, _STRING = 60, 36, STRING_BYTES
_OBJECT, _NAMED, _NAME = 64, 136, 32
"""Bytes of a list, of a value in it, of a string besides its characters; of an object, of the table of one that is not
empty, and of a name there. They are measured, with what lists and tables have in reserve."""
_SIGNS = (b"[", b"{", b":", b",", b'"')


def object_bytes(text: bytes | bytearray) -> int:
    """The memory of the objects of a text, rather too much than too little.

    >>> object_bytes(b"[1, 2, 3]")
    177
    """
    n_lists, n_objects, n_names, n_commas, n_quotes = (count_byte(text, sign) for sign in _SIGNS)
    n_bytes = len(text) + _LIST * n_lists + _ITEM * (n_commas + 1) + _STRING * (n_quotes // 2)
    return n_bytes + _OBJECT * n_objects + _NAMED * min(n_objects, n_names) + _NAME * n_names


def pay_for_objects(text: bytes | bytearray) -> None:
    """Pay for the objects of a text before they are made.

    Raises:
        TooLarge: The request could never hold them.
        Unavailable: Others hold the memory at present.
    """
    if len(text) > FREE_BYTES:
        hold("objects", object_bytes(text))
