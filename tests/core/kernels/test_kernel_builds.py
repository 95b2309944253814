"""One set of bits: builds of the C for other processors, and without optimization, answer as the one that is used."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from tests.core.declared import declared_extension
from tests.core.rows_of_bits import KINDS, WIDTHS, bits, labels, rows

ROOT = Path(__file__).resolve().parents[3]
N = 12


def build(folder: Path, *options: str) -> Path:
    """The extension for every processor, one without the versions for some; with other options of the compiler."""
    shutil.copytree(
        ROOT / "app/core/kernels", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "*.py*")
    )
    text, n = re.subn(r"(#define EVERY_PROCESSOR) __attribute__.*", r"\1", (folder / "compiled.c").read_text())
    assert n == 1
    (folder / "compiled.c").write_text(text)
    compiler = shlex.split(os.getenv("CC") or sysconfig.get_config_var("CC"))
    include = "-I" + sysconfig.get_path("include")
    built = folder / "compiled.so"
    flags = [*declared_extension()["extra_compile_args"], *options, include, "-fPIC", "-shared"]
    subprocess.run([*compiler, *flags, folder / "compiled.c", "-o", built, "-lm"], check=True)
    return built


def loaded(path: Path) -> ModuleType:
    loader = ExtensionFileLoader("compiled", str(path))
    spec = importlib.util.spec_from_file_location("compiled", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def outcomes(module: ModuleType) -> dict[str, bytes]:
    """The results of a build for rows of many shapes, in bits, by function, width and kind of numbers."""
    found: dict[str, bytes] = {}
    for k in WIDTHS:
        for kind in KINDS:
            x, others, own = rows(N, k, kind), rows(N + 1, k, kind)[1:], labels(N, k)
            answers = {**of_each(module, x), **of_rows(module, x, others, own), "exact": of_exact_sums(module, x)}
            answers |= {"class_rows": of_class_rows(module, x, own), "verdicts": of_verdicts(module, x, own)}
            answers |= {"element_rows": of_element_rows(module, x, others), "token_rows": of_token_rows(module, x)}
            found |= {f"{name} of {k} {kind}": answer for name, answer in answers.items()}
    return found


def of_each(module: ModuleType, x: FloatArray) -> dict[str, bytes]:
    calls: dict[str, tuple[Any, ...]] = dict.fromkeys(["log", "log1p", "exp"], (x,))
    calls |= dict.fromkeys(["row_quotients", "row_differences", "row_exponentials"], (x, x[:, 0].copy()))
    return {name: written(module, name, np.empty(x.shape), *arguments) for name, arguments in calls.items()}


def of_rows(module: ModuleType, x: FloatArray, others: FloatArray, own: IntArray) -> dict[str, bytes]:
    far = np.where(own == own[0], np.iinfo(np.int64).min, own)
    calls: dict[str, tuple[Any, ...]] = dict.fromkeys(["row_sums", "row_others"], (x,))
    calls |= {"row_products": (others, x), "row_errors": (x, far), "row_picks": (x, own)}
    shares, other_shares = (np.nan_to_num(abs(values)) % 1.0 for values in (x, others))
    calls |= {"row_relative_entropy": (shares, x, other_shares, others)}
    found = {name: written(module, name, np.empty(N), *arguments) for name, arguments in calls.items()}
    best, place, negentropies, js = np.empty(N), np.empty(N, np.int64), np.empty(N), np.empty((2, N))
    module.row_maxima(np.nan_to_num(x), best, place)
    module.row_negentropies(x, negentropies, np.empty(1024))
    for out, of in zip(js, ((x, others), (shares, other_shares)), strict=True):
        module.row_js(*of, out, np.empty(1024))
    found |= {"row_negentropies": bits(negentropies), "row_js": bits(js)}
    return {**found, "row_maxima": bits(best) + bits(place)}


def of_class_rows(module: ModuleType, x: FloatArray, own: IntArray) -> bytes:
    finite = np.nan_to_num(x)
    out = np.empty((3, 6, N))
    for form, scores in enumerate((abs(finite) % 1.0, finite, -abs(finite))):
        module.class_rows(scores, own, form, None, out[form], 0, tuple(range(6)))
    even = np.full(x.shape, 1.0 / x.shape[1])
    judged = np.zeros((4, 6, N))
    each = (x, even, x, np.log(even)), (0, 0, 1, 2)
    verdicts = [
        module.class_rows(scores, own, form, 1e-9, judged[at], 0, tuple(range(6)))
        for at, (scores, form) in enumerate(zip(*each, strict=True))
    ]
    return bits(out) + bits(judged) + repr(verdicts).encode()


def of_element_rows(module: ModuleType, x: FloatArray, others: FloatArray) -> bytes:
    finite, truth = np.nan_to_num(x), (others > 0.0).astype(np.int64)
    out = np.empty((2, 2, 9, N))
    for form, scores in enumerate((abs(finite) % 1.0, finite)):
        for masked, mask in enumerate((None, abs(finite) < 2.0)):
            module.element_rows(scores, truth, mask, form, 0.5, out[form, masked], 0, tuple(range(9)))
    return bits(out)


def of_token_rows(module: ModuleType, x: FloatArray) -> bytes:
    out = np.empty((3, N))
    module.token_rows(np.nan_to_num(x), np.arange(N + 1) * x.shape[1], out, 0, (0, 1, 2))
    return bits(out)


def of_verdicts(module: ModuleType, x: FloatArray, own: IntArray) -> bytes:
    found = []
    even = np.full(x.shape, 1.0 / x.shape[1])
    for scores in (x, abs(x), np.nan_to_num(x), even, np.log(even)):
        found += [module.class_verdict(scores, labels, form, 1e-9) for labels in (own, None) for form in (0, 1, 2)]
        found += [module.element_verdict(scores, None, form, 1e-9) for form in (0, 1)]
    return repr(found).encode()


def written(module: ModuleType, name: str, out: FloatArray, *arguments: Any) -> bytes:
    getattr(module, name)(*arguments, out)
    return bits(out)


def of_exact_sums(module: ModuleType, x: FloatArray) -> bytes:
    finite = np.where(np.isfinite(x), x, 1.0).ravel()
    matrix = np.array([finite, finite[::-1], x.ravel(), np.sign(finite)])
    exact: tuple[Any, ...] = (
        module.sums(matrix, 1, ((0, 1), (2, 1), (0, -3), (3, 0)), ()),
        module.sums(matrix, 1, (), ((np.arange(finite.size) % 3, 3, (0, -2, 3)), (0, np.arange(7) / 7, True, (0, 3)))),
        module.products(finite, matrix[1], products := np.empty(finite.size)),
        bits(products),
    )
    numbers = np.empty(finite.size, np.int64)
    module.bins(finite, np.arange(7) / 7, True, numbers)
    places = np.empty(finite.size, np.int64)
    exact = (*exact, module.group_places(numbers, 7, places))
    return bits(numbers) + bits(places) + repr(exact).encode()


@pytest.mark.parametrize("options", [[], ["-O0"]], ids=["another processor", "no optimization"])
def test_other_builds_answer_in_the_same_bits(options: list[str], tmp_path: Path) -> None:
    here, there = outcomes(compiled), outcomes(loaded(build(tmp_path, *options)))
    assert [name for name, answer in here.items() if there[name] != answer] == []


UNDEFINED = """
import sys
from pathlib import Path
import numpy as np
from tests.core.kernels.test_kernel_builds import loaded, outcomes
module = loaded(Path(sys.argv[1]))
outcomes(module)
module.row_negentropies(np.empty(0), np.empty(0), np.empty(1024))
module.row_js(np.empty(0), np.empty(0), np.empty(0), np.empty(1024))
print("defined")
"""


def test_no_input_meets_undefined_behaviour(tmp_path: Path) -> None:
    """The compiler puts a trap where C defines nothing; it needs no library that may not be there."""
    built = build(tmp_path, "-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    done = subprocess.run(
        [sys.executable, "-c", UNDEFINED, built], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "defined\n"), done.stderr
