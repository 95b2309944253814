"""Refresh or verify the Swagger UI files that the documentation page is served from.

    python scripts/vendor_swagger_ui.py            # the newest 5.x
    python scripts/vendor_swagger_ui.py 5.35.0     # one version
    python scripts/vendor_swagger_ui.py --check    # offline: do the files still match the manifest?

Only the refresh needs npm and a network; it copies the package's files byte for byte.
"""

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "swagger-ui-dist"
FOLDER = Path(__file__).resolve().parent.parent / "app" / "web" / "swagger"
MANIFEST = "manifest.json"
# These two files are ours; they stand here because the page loads all from one folder. The package has a sample of the
# first.
OWN_FILES = frozenset({"swagger-initializer.js", "swagger-page.css"})
VENDORED = (
    "LICENSE",
    "NOTICE",
    "swagger-ui-bundle.js",
    "swagger-ui-bundle.js.LICENSE.txt",  # the notices of the libraries inside the bundle
    "swagger-ui.css",
)
MAX_FILE_BYTES = 2 * 1024 * 1024


class VendorError(Exception):
    """A fault of the package or of the folder."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        version = check(options.folder) if options.check else refresh(options.folder, options.version)
    except VendorError as error:
        sys.stderr.write(f"vendor_swagger_ui: {error}\n")
        return 1
    sys.stdout.write(f"{PACKAGE} {version}: {len(VENDORED)} files {'verified' if options.check else 'written'}\n")
    return 0


def refresh(folder: Path, version: str) -> str:
    """Replace the vendored files by those of one published version, which is returned."""
    with tempfile.TemporaryDirectory() as scratch:
        packed: dict[str, Any] = _npm("pack", f"{PACKAGE}@{version}", "--pack-destination", scratch)[0]
        found = str(packed["version"])
        archive = Path(scratch, packed["filename"])
        integrity = str(_npm("view", f"{PACKAGE}@{found}", "dist.integrity"))
        _verify_integrity(archive, integrity)
        contents = _members(archive)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        folder.joinpath(name).write_bytes(content)
    manifest = {
        "package": PACKAGE,
        "version": found,
        "license": "Apache-2.0",
        "integrity": integrity,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    folder.joinpath(MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return check(folder)


def check(folder: Path) -> str:
    """Compare the folder with its manifest, offline, and return the version.

    Raises:
        VendorError: A file is missing, changed, not listed, or above the size limit.
    """
    manifest = _manifest(folder)
    expected: dict[str, str] = manifest["sha256"]
    present = {path.name for path in folder.iterdir()} - OWN_FILES - {MANIFEST}
    if present != set(VENDORED) or set(expected) != set(VENDORED):
        odd = sorted((present ^ set(VENDORED)) | (set(expected) ^ set(VENDORED)))
        raise VendorError(f"the files must be exactly the vendored ones; missing or unexpected: {odd}")
    for name, sha256 in expected.items():
        content = folder.joinpath(name).read_bytes()
        _check_size(name, content)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise VendorError(f"{name} must have the sha256 of the manifest, {sha256}")
    return str(manifest["version"])


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(folder.joinpath(MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VendorError(f"{MANIFEST} must be readable JSON: {error}") from error
    return manifest


def _npm(*arguments: str) -> Any:
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError("a refresh needs npm on the PATH")
    command = [npm, *arguments, "--json"]
    try:
        # No shell, and the only part from outside is a version that `_version` let pass.
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise VendorError(f"npm {arguments[0]} failed:\n{error.stderr}") from error
    return json.loads(done.stdout)


def _verify_integrity(archive: Path, integrity: str) -> None:
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode("ascii")
    if integrity != f"sha512-{digest}":
        raise VendorError(f"the archive must have the published integrity {integrity}, found sha512-{digest}")


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as package:
        return {name: _member(package, name) for name in VENDORED}


def _member(package: tarfile.TarFile, name: str) -> bytes:
    try:
        stream = package.extractfile(f"package/{name}")
    except KeyError as error:
        raise VendorError(f"the package must contain {name}") from error
    if stream is None:
        raise VendorError(f"{name} must be a regular file")
    with stream:
        content = stream.read()
    _check_size(name, content)
    return content


def _check_size(name: str, content: bytes) -> None:
    if len(content) > MAX_FILE_BYTES:
        raise VendorError(f"{name} must have at most {MAX_FILE_BYTES} bytes, found {len(content)}")


def _version(text: str) -> str:
    if re.fullmatch(r"\d+(\.\d+){0,2}", text) is None:
        raise argparse.ArgumentTypeError("must look like 5, 5.35 or 5.35.0")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Refresh or verify the vendored Swagger UI.")
    parser.add_argument("version", nargs="?", default="5", type=_version, help="default: the newest 5.x")
    parser.add_argument("--check", action="store_true", help="compare with the manifest, offline")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: app/web/swagger")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
