"""The guide to generated clients works as it stands: its commands, its programs, and what they print."""

import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from tests.contract import tools
from tests.documents import Document

tools.demand()

GUIDE = Document("docs/guides/clients.md")
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, address: str) -> Path:
    """A folder with the files of the guide, in which its commands have run."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "node_modules").symlink_to(tools.PACKAGES)
    shutil.copy(tools.HERE / "package.json", folder)
    for block in GUIDE.blocks():
        if block.file:
            (folder / block.file).write_text(block.code.replace(ADDRESS, address))
    for command in GUIDE.commands():
        words = shlex.split(command.replace(ADDRESS, address))
        run = tools.node if words[0] == "npx" else tools.python
        tools.succeeded(run(*words[words[0] == "npx" :], cwd=folder))
    return folder


def programs(suffix: str) -> list[tuple[str, str]]:
    """The names of programs, and the text that each prints."""
    shown = pairwise(GUIDE.blocks())
    return [
        (block.file, after.code) for block, after in shown if block.file.endswith(suffix) and after.language == "text"
    ]


@pytest.mark.parametrize(("program", "printed"), programs(".py"))
def test_a_program_of_python_type_checks_and_prints_what_is_shown(program: str, printed: str, workplace: Path) -> None:
    tools.succeeded(tools.python("mypy", "--strict", "--follow-imports", "silent", program, cwd=workplace))
    done = tools.python("python", program, cwd=workplace)
    assert done.stdout == printed, tools.said(done)


def test_the_programs_of_typescript_compile_and_print_what_is_shown(workplace: Path) -> None:
    names = [name for name, _ in programs(".ts")]
    assert len(names) == 2
    settings = ("--target", "es2022", "--module", "nodenext", "--strict", "--lib", "es2022,dom,dom.iterable")
    tools.succeeded(tools.node("tsc", *settings, *names, cwd=workplace))
    for name, printed in programs(".ts"):
        done = tools.node(workplace / name.replace(".ts", ".js"))
        assert done.stdout == printed, tools.said(done)
