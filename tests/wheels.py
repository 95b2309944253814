"""A folder of tiny wheels: what a lock pins, and what came out since."""

import hashlib
import zipfile
from pathlib import Path

NAMES = ("outer", "inner", "optional")
# As coverage[toml] of pytest-cov: a requirement that names an extra, and is in the lock without it.
REQUIRES = {
    "outer": "Requires-Dist: inner[more]>=1\n",
    "inner": "Provides-Extra: more\nRequires-Dist: optional>=1; extra == 'more'\n",
    "optional": "",
}


def wheel(folder: Path, name: str, version: str) -> str:
    """Write a wheel without code; the SHA-256 of the file."""
    path, home = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    files = {
        f"{home}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{REQUIRES[name]}",
        f"{home}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{home}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{home}/RECORD"]))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lock_with_newer_releases(folder: Path, names: tuple[str, ...] = NAMES) -> str:
    """Fill a folder with releases 1.0 and 2.0 of every package; a lock that pins `names` at 1.0."""
    folder.mkdir()
    hashes = {name: wheel(folder, name, "1.0") for name in NAMES}
    for name in NAMES:
        wheel(folder, name, "2.0")
    return "".join(f"{name}==1.0 \\\n    --hash=sha256:{hashes[name]}\n" for name in names)


def pip_settings(folder: Path) -> dict[str, str]:
    """Environment variables with which pip knows this folder and nothing else."""
    return {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def installed(venv: Path) -> dict[str, str]:
    """The versions of the tiny packages in an environment."""
    found = (path.name.removesuffix(".dist-info").split("-") for path in venv.glob("lib/*/site-packages/*.dist-info"))
    return {name: version for name, version in found if name in NAMES}
