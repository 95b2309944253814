"""README.md is true: its commands and examples run, and its tables are those of the code."""

import ast
import contextlib
import io
import json
import math
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import chain, pairwise
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import httpx
import numpy as np
import pytest
import sklearn
from annotated_types import Ge, Gt, Le, Lt, MaxLen
from ruamel.yaml import YAML
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from app.api.problems import CATALOGUE
from app.core.options import Options, option_types
from app.core.registry import METRICS
from app.core.tasks import TASKS, TaskName
from app.service import INCLUDES, score
from app.settings import Settings
from tests.api.test_server import running
from tests.documents import RELATIVE, ROOT, Document, differences, markdown, shown
from tests.requests import request_of
from tests.test_oracles import CASES_PER_TASK

README = Document("README.md")
ADDRESS = "http://127.0.0.1:8000"
WORKED: dict[str, Any] = {"labels": [3, 3], "probabilities": [[0.25] * 4, [0.01, 0.01, 0.01, 0.96]]}

Body = dict[str, Any]
Values = dict[str, tuple[str, float | None]]


def ask(task: Any, body: Body) -> dict[str, Any]:
    return score(request_of(task, body))


def values(task: str, body: Body) -> Values:
    """Status and value of every metric."""
    return {name: (found["status"], found["value"]) for name, found in ask(task, body)["metrics"].items()}


def near(expected: float) -> Any:
    return pytest.approx(expected, rel=RELATIVE, abs=0.0)


# Commands, and examples over HTTP


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as server:
        yield f"http://127.0.0.1:{server.port}"


def with_curl(words: list[str]) -> Any:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    return json.loads(subprocess.run([*words, "-sS"], check=True, capture_output=True, timeout=20).stdout)


def with_httpx(words: list[str]) -> Any:
    options = list(zip(words[2::2], words[3::2], strict=True))
    assert {name for name, _ in options} <= {"-H", "-d"}
    headers = dict(value.split(": ", 1) for name, value in options if name == "-H")
    (content,) = [value for name, value in options if name == "-d"]
    return httpx.post(words[1], content=content, headers=headers).json()


def requests_and_answers() -> list[tuple[str, str]]:
    blocks = README.blocks()
    return [
        (re.sub(r"\\\n\s*", " ", block.code), answer.code)
        for block, answer in pairwise(blocks)
        if block.language == "sh" and block.code.startswith("curl ")
    ]


@pytest.mark.parametrize("client", [with_curl, with_httpx])
@pytest.mark.parametrize(("command", "answer"), requests_and_answers())
def test_a_request_has_the_answer_shown(
    command: str, answer: str, client: Callable[[list[str]], Any], address: str
) -> None:
    assert command.count(ADDRESS) == 1
    found = client(shlex.split(command.replace(ADDRESS, address)))
    assert list(differences(shown(answer), found)) == []


def test_the_worked_example_is_shown() -> None:
    body = json.loads(shlex.split(requests_and_answers()[0][0])[-1])
    assert body == WORKED
    told = shown(requests_and_answers()[0][1])
    assert told["metrics"]["cross_entropy"]["value"] == 0.7135581778200729
    assert [warning["code"] for warning in told["warnings"]] == ["not_normalized", "single_class"]


def test_python_prints_what_is_shown(address: str) -> None:
    blocks = README.blocks()
    examples = [(b.code, after.code) for b, after in pairwise(blocks) if b.language == "python"]
    assert examples
    for code, output in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code.replace(ADDRESS, address), {})  # noqa: S102 - the page's own example
        assert printed.getvalue() == output


def test_every_path_is_served(address: str) -> None:
    paths = set(re.findall(r"`(?:GET )?(/[a-z_{}/0-9.]+)`", README.text))
    assert {"/docs", "/v1/metrics", "/readyz", "/metrics"} <= paths
    for path in paths:
        assert httpx.get(address + path.format(code="invalid_input")).status_code == 200, path


def make(words: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--dry-run", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_make(words: list[str]) -> None:
    assignments = [word.split("=", 1) for word in words[1:] if "=" in word]
    script = make([word for word in words[1:] if "=" not in word] + [f"{name}={value}" for name, value in assignments])
    assert all(value in script for _, value in assignments)


def check_docker(words: list[str]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    if words[1] == "build":
        assert " ".join(words) in (ROOT / "Makefile").read_text()
    elif words[1] == "run":
        built = next(shlex.split(command) for command in README.commands() if command.startswith("docker build"))
        assert words[-1] == built[built.index("-t") + 1]
        assert f"EXPOSE {words[words.index('-p') + 1].split(':')[-1]}\n" in dockerfile
    else:
        services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"].values()
        profiles = {profile for service in services for profile in service.get("profiles", [])}
        assert {words[at + 1] for at, word in enumerate(words) if word == "--profile"} <= profiles
        assert words[-1] == "up"


def check_environment(words: list[str]) -> list[str]:
    """Check the settings before a command; the command."""
    settings = dict(word.split("=", 1) for word in words if word.startswith("SURPRISAL_"))
    Settings.model_validate({name.removeprefix("SURPRISAL_").lower(): value for name, value in settings.items()})
    return words[len(settings) :]


@pytest.mark.parametrize("command", [command for command in README.commands() if not command.startswith("curl ")])
def test_a_command_exists(command: str) -> None:
    words = check_environment(shlex.split(command))
    {"make": check_make, "docker": check_docker}[words[0]](words)


@pytest.mark.parametrize("command", re.findall(r"`(make [^`]+)`", README.text))
def test_a_target_named_in_a_sentence_exists(command: str) -> None:
    make([word for word in shlex.split(command)[1:] if "=" not in word])


# Tables made from the code. A failure shows the table that belongs there.


def quoted(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def tasks_table() -> str:
    rows = [
        [f"`{task.name}`", quoted(task.truths), quoted(task.predictions), quoted(task.columns), task.summary]
        for task in TASKS.values()
    ]
    return markdown("| task | truth: one of | prediction: one of | may come along | what it is |", rows)


def options_table() -> str:
    rows = [
        [
            f"`{option.name}`",
            "none" if option.default is None else f"`{json.dumps(option.default)}`".replace('"', ""),
            domain(option_types()[option.name]),
            "all" if set(option.metadata["tasks"]) == set(TASKS) else ", ".join(option.metadata["tasks"]),
            option.metadata["doc"],
        ]
        for option in fields(Options)
    ]
    return markdown("| option | default | values | tasks | what it does |", rows)


SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<"), MaxLen: ("max_length", "length ≤")}


def domain(hint: Any) -> str:
    """The values that a type allows, in words."""
    if get_origin(hint) is Literal:
        return quoted(get_args(hint))
    if get_origin(hint) is Annotated:
        bounds = [(getattr(bound, SIGNS[type(bound)][0]), SIGNS[type(bound)][1]) for bound in hint.__metadata__]
        kind = domain(hint.__origin__)
        return kind + (", " if " " in kind else " ") + ", ".join(f"{sign} {limit}" for limit, sign in bounds)
    if get_origin(hint) is tuple:
        kind, *rest = domain(get_args(hint)[0]).split(maxsplit=1)
        return " ".join([f"list of {kind}s", *rest])
    kinds = {float: "number", int: "integer", str: "string"}
    return kinds.get(hint) or " or ".join(domain(part) for part in get_args(hint) if part is not NoneType)


def metrics_table() -> str:
    asking = askings()
    rows = [
        [
            f"`{metric.name}`",
            metric.unit,
            metric.direction,
            *("x" if task in metric.tasks else "" for task in TASKS),
            " or ".join(f"`{name}`" for name in asking.get(metric.name, [])),
        ]
        for metric in METRICS
    ]
    return markdown(f"| metric | unit | direction | {' | '.join(TASKS)} | asked for with |", rows)


def askings() -> dict[str, list[str]]:
    """The fields that make a metric appear, for those that are not there in any case."""
    tried: dict[TaskName, tuple[Body, Body]] = {
        "multiclass": (WORKED, {"focal_gamma": 2.0, "focal_alpha": 0.5, "top_k": [1]}),
        "tokens": ({"log_probabilities": [[-1.0]]}, {"n_bytes": [3], "n_words": [1]}),
    }
    found: dict[str, list[str]] = {}
    for task, (body, fields_to_try) in tried.items():
        for name, value in fields_to_try.items():
            for metric in values(task, body | {name: value}).keys() - values(task, body):
                found.setdefault(metric.replace("top_1", "top_{k}"), []).append(name)
    return found


def problems_table() -> str:
    rows = [[f"`{code}`", str(problem.status), problem.title] for code, problem in CATALOGUE.items()]
    return markdown("| code | status | meaning |", rows)


def settings_table() -> str:
    rows = [
        [f"`SURPRISAL_{name.upper()}`", f"`{setting.default}`", setting.description or ""]
        for name, setting in Settings.model_fields.items()
    ]
    return markdown("| variable | default | what it does |", rows)


TABLES = {
    "Tasks": tasks_table,
    "Options": options_table,
    "Metrics": metrics_table,
    "Errors": problems_table,
    "Settings": settings_table,
}


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_is_that_of_the_code(heading: str) -> None:
    assert README.table(heading) == TABLES[heading]()


@pytest.mark.parametrize("row", README.rows("Tasks", 1), ids=lambda row: str(row[0]))
def test_a_body_of_each_task(row: list[str], address: str) -> None:
    task, body, value = (cell.strip("`") for cell in row)
    answer = httpx.post(f"{address}/v1/score/{task}", json=json.loads(body)).raise_for_status().json()
    assert answer["metrics"]["cross_entropy"]["value"] == near(float(value))


def test_there_is_a_body_of_each_task() -> None:
    assert [row[0].strip("`") for row in README.rows("Tasks", 1)] == list(TASKS)


def test_sections() -> None:
    told = {row[0].strip("`"): row[1].split(", ") for row in README.rows("Sections")}
    sections = dict.fromkeys(chain.from_iterable(INCLUDES.values()))
    assert told == {section: [task for task in TASKS if section in INCLUDES[task]] for section in sections}


PAIR: Body = {"labels": [1, 0], "probabilities": [[0.2, 0.8], [0.7, 0.3]]}
WARNED: dict[str, Body] = {
    "all_ignored": PAIR | {"mask": [False, False]},
    "not_normalized": WORKED,
    "zero_probability": PAIR | {"probabilities": [[1.0, 0.0], [0.7, 0.3]]},
    "clipped": PAIR | {"probabilities": [[1.0, 0.0], [0.7, 0.3]], "epsilon": 0.01},
    "looks_like_probabilities": {"labels": [1, 0], "logits": PAIR["probabilities"]},
    "worse_than_uniform": PAIR | {"labels": [0, 1]},
    "single_class": WORKED,
    "few_samples": PAIR | {"sample_weight": [1.0, 0.0]},
}


def test_warnings() -> None:
    told = {code.strip("`"): re.findall(r"\w+", evidence) for code, _, evidence in README.rows("Warnings")}
    assert set(told) == codes_in_the_source()
    for code, evidence in told.items():
        raised = [warning for warning in ask("multiclass", WARNED[code])["warnings"] if warning["code"] == code]
        assert [sorted(warning) for warning in raised] == [sorted(["code", "detail", *evidence])], code


def codes_in_the_source() -> set[str]:
    """The first argument of every call of `warning`."""
    calls = [
        node
        for path in (ROOT / "app/core").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "warning"
    ]
    return {cast("ast.Constant", call.args[0]).value for call in calls}  # type: ignore[misc]


# What others answer


MISS: Body = {"labels": [1], "probabilities": [[1.0, 0.0]]}
HIT: Body = {"labels": [0], "probabilities": [[1.0, 0.0]]}
ROWS = [
    "the worked example",
    "the same, rows divided by their sums",
    "the same, probabilities taken for logits",
    "p = 0 on what was observed",
    "p = 1 on what was observed",
]


def numbers(library: str) -> dict[str, list[float]]:
    """What the table tells of a library, row by row."""
    head = [cell.strip() for cell in README.table("Beside scikit-learn, PyTorch and Keras").split("\n")[0].split("|")]
    (column,) = [at - 1 for at, cell in enumerate(head) if cell.startswith(library)]
    found = {row[0]: row[column] for row in README.rows("Beside scikit-learn, PyTorch and Keras")}
    assert list(found)[: len(ROWS)] == ROWS
    return {name: [float(text) for text in re.findall(r"\d+\.\d+(?:e-\d+)?", found[name])] for name in ROWS}


def told_of(library: str, answered: list[list[float]]) -> None:
    assert numbers(library) == {name: list(map(near, row)) for name, row in zip(ROWS, answered, strict=True)}


def loss(body: Body) -> float:
    status, value = values("multiclass", body)["cross_entropy"]
    assert status == "ok"
    assert value is not None
    return value


def test_what_surprisal_answers() -> None:
    renormalized = loss(WORKED | {"normalization": "renormalize"})
    told_of("Surprisal", [[loss(WORKED)], [renormalized], [], [loss(MISS | {"epsilon": 1e-15})], [loss(HIT)]])
    assert values("multiclass", MISS)["cross_entropy"] == ("infinite", None)


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
def test_what_scikit_learn_answers() -> None:
    assert f"| scikit-learn {'.'.join(sklearn.__version__.split('.')[:2])} |" in README.text

    def theirs(body: Body) -> float:
        rows = np.array(body["probabilities"])
        return float(log_loss(body["labels"], rows, labels=range(rows.shape[1])))

    told_of("scikit-learn", [[theirs(WORKED)], [], [], [theirs(MISS)], [theirs(HIT)]])
    # Edges of bins: 0.5 belongs to the lower of two.
    frequencies, _ = calibration_curve([1, 0], [0.5, 0.4], n_bins=2)
    assert frequencies.tolist() == [0.5]


def test_what_torch_answers() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: its column is not checked")
    assert f"| PyTorch {'.'.join(torch.__version__.split('.')[:2])} |" in README.text
    functional = torch.nn.functional

    def theirs(function: Any, body: Body, of: Any = torch.log) -> float:
        rows = torch.tensor(body["probabilities"], dtype=torch.float64)
        return float(function(of(rows), torch.tensor(body["labels"])))

    capped = float(functional.binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])))
    told_of(
        "PyTorch",
        [
            [theirs(functional.nll_loss, WORKED)],
            [theirs(functional.cross_entropy, WORKED)],
            [theirs(functional.cross_entropy, WORKED, of=lambda rows: rows)],
            [capped],
            [theirs(functional.nll_loss, HIT)],
        ],
    )
    assert theirs(functional.nll_loss, MISS) == math.inf


def test_what_keras_would_answer() -> None:
    def theirs(body: Body) -> float:
        rows = np.array(body["probabilities"])
        rows = np.clip(rows / rows.sum(axis=1, keepdims=True), 1e-7, 1 - 1e-7)
        return float(-np.log(rows[np.arange(len(rows)), body["labels"]]).mean())

    as_logits = loss({"labels": WORKED["labels"], "logits": WORKED["probabilities"]})
    told_of("Keras", [[theirs(WORKED)], [theirs(WORKED)], [as_logits], [theirs(MISS)], [theirs(HIT)]])


# Choices: each has a test named for it


THREE: Body = {
    "labels": [0, 2, 2],
    "probabilities": [[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.3, 0.3, 0.4]],
    "sample_weight": [1.0, 2.0, 3.0],
    "focal_gamma": 2.0,
    "top_k": [2],
}
BINARY: Body = {"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.6]}
PLAIN = {"brier_score", "accuracy", "top_2_accuracy", "expected_calibration_error", "maximum_calibration_error"}
BASELINE = {"baseline_cross_entropy"}


def unmoved(task: str, body: Body, option: Body) -> set[str]:
    """The metrics that an option leaves alone, but for those that are 0 in any case."""
    before, after = values(task, body), values(task, body | option)
    return {name for name, value in before.items() if after[name] == value and name != "target_entropy"}


def clipping() -> None:
    assert unmoved("multiclass", THREE, {"epsilon": 0.1}) == PLAIN | BASELINE


def clipping_and_zeros() -> None:
    body = {"targets": [[0.5, 0.5, 0.0]], "probabilities": [[0.25, 0.75, 0.0]]}
    assert values("distributions", body)["reverse_kl_divergence"][0] == "ok"
    assert values("distributions", body | {"epsilon": 1e-7})["reverse_kl_divergence"][0] == "infinite"


def soft_targets() -> None:
    body = {"targets": [[0.4, 0.4, 0.2]], "probabilities": [[0.3, 0.6, 0.1]], "n_bins": 1}
    answer = ask("multiclass", body | {"include": ["per_class", "calibration"]})
    assert answer["metrics"]["accuracy"]["value"] == 0.0
    assert [entry["n"] for entry in answer["per_class"]] == [1, 0, 0]
    assert answer["calibration"]["bins"][0]["accuracy"] == 0.4
    assert values("binary", {"targets": [0.5], "probabilities": [0.7]})["accuracy"] == ("ok", 1.0)


def class_weights() -> None:
    assert unmoved("multiclass", THREE, {"class_weight": [1.0, 2.0, 3.0]}) == PLAIN
    rest = PLAIN - {"top_2_accuracy"} | BASELINE | {"predictive_entropy"}
    assert unmoved("binary", BINARY, {"pos_weight": 3.0}) == rest
    soft: Body = {"targets": [0.5, 0.25], "probabilities": [0.5, 0.5]}
    weighted, plain = (values("binary", soft | option)["target_entropy"][1] for option in ({"pos_weight": 3.0}, {}))
    assert weighted != plain


def baselines() -> None:
    for option in ({"pos_weight": 3.0}, {"label_smoothing": 0.1}):
        before, after = values("binary", BINARY), values("binary", BINARY | option)
        for name in ("baseline_cross_entropy", "predictive_entropy"):
            assert after[name] == before[name]
        for name in ("d2_log_loss", "entropy_gap"):
            assert after[name] != before[name]


def denominator() -> None:
    assert unmoved("multiclass", THREE, {"denominator": "count"}) == PLAIN | BASELINE
    doubled = {"labels": [[1, 0]], "probabilities": [[0.5, 0.5]], "sample_weight": [2.0], "denominator": "count"}
    assert values("multilabel", doubled)["cross_entropy"][1] == near(2 * math.log(2))


def multilabel() -> None:
    body = {"labels": [[1, 1], [1, 1]], "probabilities": [[0.5, 0.5], [0.25, 0.25]]}
    found = ask("multilabel", body)["metrics"]["cross_entropy"]
    halves = ask("binary", {"labels": [1, 1], "probabilities": [0.5, 0.25]})["metrics"]["cross_entropy"]
    assert found["standard_error"] == near(halves["standard_error"])


def tokens() -> None:
    body = {"log_probabilities": [[-1.0, -1.0], [-3.0, -3.0], []]}
    answer = ask("tokens", body)
    assert (answer["n_scored"], answer["n_ignored"]) == (2, 1)
    assert answer["metrics"]["cross_entropy"]["value"] == 2.0
    assert answer["metrics"]["cross_entropy"]["standard_error"] == near(1.0)


def standard_errors() -> None:
    sent = BINARY | {"labels": [1, 0, 1, 1], "probabilities": [0.9, 0.2, 0.6, 0.5], "sample_weight": [1, 1, 1, 0]}
    assert ask("binary", sent)["metrics"]["brier_score"] == ask("binary", BINARY)["metrics"]["brier_score"]
    assert ask("multiclass", WORKED)["metrics"]["accuracy"]["confidence_interval"][0] < 0.0
    assert "standard_error" not in ask("binary", {"labels": [1], "probabilities": [0.5]})["metrics"]["cross_entropy"]


def per_sample() -> None:
    weighted = {"labels": [0], "probabilities": [[0.5, 0.5]], "class_weight": [3.0, 1.0], "sample_weight": [7.0]}
    found = ask("multiclass", weighted | {"include": ["per_sample"]})
    assert list(found["per_sample"]["cross_entropy"]) == [near(3 * math.log(2))]


def ties() -> None:
    tied = {"labels": [1], "probabilities": [[0.5, 0.5]], "top_k": [1]}
    assert {values("multiclass", tied)[name] for name in ("accuracy", "top_1_accuracy")} == {("ok", 0.0)}
    assert values("binary", {"labels": [1], "probabilities": [0.5]})["accuracy"] == ("ok", 1.0)


def two_columns() -> None:
    pair = {"labels": [1], "probabilities": [[0.2, 0.8]]}
    (_, halves), (_, whole) = (
        values(task, body)["brier_score"]
        for task, body in (("binary", {"labels": [1], "probabilities": [0.8]}), ("multiclass", pair))
    )
    assert (whole, halves) == (near(0.08), near(0.04))


def infinities(address: str) -> None:
    sent = b'{"labels":[1],"logits":[[-Infinity,0]]}'
    assert httpx.post(f"{address}/v1/score/multiclass", content=sent).status_code == 400
    assert loss({"labels": [1], "logits": [[-math.inf, 0.0]]}) == loss({"labels": [1], "probabilities": [[0.0, 1.0]]})


def missing_numbers(address: str) -> None:
    body: Body = {"labels": [1, 0], "probabilities": [0.9, None], "mask": [True, False]}
    assert httpx.post(f"{address}/v1/score/binary", json=body).status_code == 200
    assert httpx.post(f"{address}/v1/score/binary", json=body | {"mask": [True, True]}).status_code == 422


def the_same_bits() -> None:
    rng = np.random.default_rng(0)
    body: Body = {"labels": rng.integers(0, 5, 99).tolist(), "probabilities": rng.dirichlet(np.ones(5), 99).tolist()}
    backwards = {name: column[::-1] for name, column in body.items()}
    assert ask("multiclass", backwards)["metrics"] == ask("multiclass", body)["metrics"]


CHOICES: dict[str, Callable[..., None]] = {
    check.__name__.replace("_", " "): check
    for check in (
        clipping,
        clipping_and_zeros,
        soft_targets,
        class_weights,
        baselines,
        denominator,
        multilabel,
        tokens,
        standard_errors,
        per_sample,
        ties,
        two_columns,
        infinities,
        missing_numbers,
        the_same_bits,
    )
}


@pytest.mark.parametrize("choice", re.findall(r"^- \*\*(.*?)\.\*\*", README.section("Choices"), re.MULTILINE))
def test_a_choice_is_kept(choice: str, address: str) -> None:
    check = CHOICES[choice.lower()]
    check(**({"address": address} if check.__code__.co_argcount else {}))


def test_every_checked_choice_is_told() -> None:
    told = re.findall(r"^- \*\*(.*?)\.\*\*", README.section("Choices"), re.MULTILINE)
    assert [choice.lower() for choice in told] == list(CHOICES)


# The rest


def test_the_container_is_as_told() -> None:
    told = README.section("Container")
    final = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert final.startswith(re.findall(r"to `(python:[^`]+)`", told)[0])
    assert re.findall(r"runs as user (\d+)", told) == re.findall(r"^USER (\d+):", final, re.MULTILINE)
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    assert services["surprisal"]["ports"][0].split(":")[1] == "8000"
    assert services["prometheus"]["ports"][0].split(":")[1] == re.findall(r"Prometheus on port (\d+)", told)[0]


def test_the_layout_is_as_told() -> None:
    (tree,) = [block.code for block in README.blocks() if block.language == "text" and "app/core/" in block.code]
    for line in tree.splitlines():
        assert Path(ROOT, line.split()[0]).exists(), line
    packages = {path.name for path in (ROOT / "app").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert packages <= set(re.findall(r"app/(\w+)", tree))


def test_python_versions_are_as_told() -> None:
    oldest, newest = re.findall(r"Python 3\.(\d+) to 3\.(\d+)", README.text)[0]
    assert f'">=3.{oldest},<3.{int(newest) + 1}"' in (ROOT / "pyproject.toml").read_text()


def test_the_tests_are_as_told() -> None:
    told = README.section("How it is tested")
    assert f"- {CASES_PER_TASK * len(TASKS):,} random requests" in told
    bound = re.findall(r"at least (\d+) % of branches", told)
    assert bound == re.findall(r"^fail_under = (\d+)$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_it_is_short() -> None:
    assert len(README.text.splitlines()) < 350
