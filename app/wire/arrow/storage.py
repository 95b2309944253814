"""The plain arrays behind types of Arrow that programs write for numbers, lists and names."""

import pyarrow as pa
from pyarrow import compute, types

from app.errors import InvalidInput, clip
from app.wire.arrow.dictionaries import check_views
from app.wire.columns import NAMES
from app.wire.fields import Field

MIDNIGHT = r"( 00:00:00)?(\.0+)?$"
"""The end of the text of a time that a date has not."""
VECTOR = ["type", "size", "indices", "values"]
"""The names in a vector of Spark's library for models, whose `values` are all there if its `type` is `DENSE`."""
DENSE = 1


def storage(field: Field, array: pa.Array) -> pa.Array:
    """An array without its extension type, and vectors of Spark as lists.

    Raises:
        InvalidInput: Of tensors that are no lists, or vectors that are sparse.
    """
    if isinstance(array.type, pa.FixedShapeTensorType) and len(array.type.shape) != 1:
        rule = f"must hold a list a row, found tensors of shape {clip(str(array.type.shape))}"
        raise InvalidInput.at(field.pointer, "wrong_shape", rule)
    if types.is_struct(array.type) and [child.name for child in array.type.fields] == VECTOR:
        return _dense(field, array)
    if isinstance(array.type, pa.Bool8Type):
        return compute.not_equal(array.storage, 0)
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _dense(field: Field, array: pa.StructArray) -> pa.Array:
    """The values of dense vectors, a list a row."""
    kinds, _, _, values = array.flatten()
    if not compute.all(compute.equal(kinds, DENSE), min_count=0).as_py():
        rule = "must hold dense vectors, found a sparse one; Spark makes lists of both by vector_to_array"
        raise InvalidInput.at(field.pointer, "wrong_type", rule)
    return values


def written(array: pa.Array) -> pa.Array:
    """The texts of times and decimals, a date without its time at midnight; other values as they are."""
    type_ = array.type.value_type if types.is_dictionary(array.type) else array.type
    if types.is_string_view(array.type):
        check_views(array)
        return array.cast(pa.large_string())  # views cannot be taken
    if not types.is_temporal(type_) and not types.is_decimal(type_):
        return array
    plain = array.dictionary_decode() if types.is_dictionary(array.type) else array
    texts = plain.cast(pa.string())
    return compute.replace_substring_regex(texts, MIDNIGHT, "") if types.is_timestamp(type_) else texts


def of_decimals(field: Field, array: pa.Array) -> pa.Array:
    """Decimals as the field needs them: names as texts, which hold every digit, integers, or numbers."""
    plain = array.dictionary_decode() if types.is_dictionary(array.type) else array
    if field.kinds[0].dtype.kind != "f" and field.pointer.startswith(NAMES):
        return plain.cast(pa.string())
    if field.kinds[0].dtype.kind != "f" and plain.type.scale <= 0:
        return plain.cast(pa.int64())
    return plain.cast(pa.string()).cast(pa.float64())  # which rounds once, as a direct cast may not
