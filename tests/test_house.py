"""The files around the code: the extension, and what no tracked file may say."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.core.declared import declared_extension

ROOT = Path(__file__).resolve().parents[1]
REGISTRIES = [
    ".".join(words) for words in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("deb", "debian", "org")]
]
FOREIGN = re.compile("|".join([*map(re.escape, REGISTRIES), r"(?<![\w.$*}-])/(?:home|root|work|Users)/"]))


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files are the project's")
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def test_the_extension_names_every_file_of_c() -> None:
    extension = declared_extension()
    written = [str(path.relative_to(ROOT)) for path in (ROOT / "app").rglob("*.[ch]")]
    assert sorted(extension["sources"] + extension["depends"]) == sorted(written)
    assert (ROOT / f"{extension['name'].replace('.', '/')}.pyi").exists()


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked_files()
        if path.stat().st_size and (match := FOREIGN.search(path.read_text(errors="replace")))
    ]
    assert found == []


def test_tests_replace_no_function_of_ours() -> None:
    """A threshold may be lowered, a library or a folder of the system may be missing; the guide adds what it shows."""
    paths = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "test_contributing.py"]
    replaced = [
        f"{path.name}: {name}"
        for path in paths
        for name in re.findall(r'\.setattr\(\s*[\w.]+,\s*"(\w+)"', path.read_text())
        if name != name.upper() and name != "tempdir"
    ]
    assert replaced == []
    assert not [path.name for path in paths if re.search(r"^(?:from|import) unittest", path.read_text(), re.MULTILINE)]


def test_no_object_is_told_apart_by_its_number() -> None:
    """An object that is found by `id()` must be kept as long, or another one takes its number."""
    assert [path.name for path in (ROOT / "app").rglob("*.py") if re.search(r"\bid\(", path.read_text())] == []
