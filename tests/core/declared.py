"""The extension as setup.py declares it, read without setuptools, which the environment of the tests does not have."""

import ast
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def declared_extension() -> dict[str, Any]:
    """The arguments of the one `Extension` in setup.py by name; its name is `name`."""
    (call,) = (
        node
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Extension"
    )
    (name,) = call.args
    arguments = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
    return {"name": ast.literal_eval(name), **arguments}
