"""The file systems that a source may lie in: disks, and buckets by pyarrow's own clients."""

import os
from functools import cache
from typing import BinaryIO, NamedTuple, cast

from pyarrow import fs

from app.errors import InvalidInput, SourceUnavailable, clip
from app.wire.files.ranges import Fetched

MARK = "://"
BUCKETS = ("s3", "gs", "abfss")
"""The schemes of addresses in buckets."""
ATTEMPTS = 10
"""The tries of one request to a bucket, with pauses that grow between them."""
SECONDS = 60.0
"""The time that a bucket may take to answer one request."""


class Place(NamedTuple):
    """A place in a file system: the scheme, empty for disks, and the path as the client of that scheme writes it."""

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}{MARK}{self.path}" if self.scheme else self.path


def place_of(source: str) -> Place:
    """The place that a source names; a path of a disk becomes absolute, and its links are left as they are.

    Raises:
        InvalidInput: The scheme is none that is read here, or the address holds credentials.
    """
    scheme, mark, path = source.partition(MARK)
    if not mark or scheme == "file":
        return Place("", os.path.abspath(path if mark else source))  # noqa: PTH100 which takes `..` away without a look
    if scheme not in BUCKETS:
        known = ", ".join(f"{name}{MARK}" for name in BUCKETS)
        rule = f"must be a path or begin with {known}, found {clip(scheme)}{MARK}"
        raise InvalidInput.at("/source", "out_of_range", rule)
    bucket, _, key = path.partition("/")
    if "@" in bucket and scheme != "abfss":
        rule = "must hold no credentials: workers have them in their environment"
        raise InvalidInput.at("/source", "out_of_range", rule)
    parts = [part for part in key.split("/") if part and part != "."]
    if ".." in parts:
        raise InvalidInput.at("/source", "out_of_range", "must hold no `..` in a bucket, which has no folders")
    return Place(scheme, "/".join((bucket, *parts)))


@cache
def system_of(scheme: str) -> fs.FileSystem:
    """The client of a scheme, one a process; credentials are those of its environment."""
    match scheme:
        case "":
            return fs.LocalFileSystem()
        case "s3":
            return fs.S3FileSystem(
                endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
                retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
                connect_timeout=SECONDS,
                request_timeout=SECONDS,
            )
        case "gs":
            return fs.GcsFileSystem()
        case _:
            return fs.AzureFileSystem(os.environ["AZURE_STORAGE_ACCOUNT"])


def opened(place: Place) -> BinaryIO:
    """A file opened for reading anywhere in it.

    Raises:
        SourceUnavailable: It cannot be opened.
    """
    try:
        file: BinaryIO = system_of(place.scheme).open_input_file(place.path)
        return cast(BinaryIO, Fetched(file, str(place))) if place.scheme else file
    except OSError as error:
        raise SourceUnavailable(f"{place} cannot be read: {clip(str(error))}") from error
