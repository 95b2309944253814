"""Write samples with lm-evaluation-harness itself, for the tests of its reader.

The files beside this one were written with lm_eval 0.4.13, which needs packages without wheels and is so in no lock:
`python make.py` in an environment with lm_eval writes them anew. Both models are made of hashes, so they need no
weights; `run_b` is of the second one, which finds every text less likely.
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

HERE = Path(__file__).parent
TEXTS = [
    "The cat sat on the mat.",
    "It rained.",
    "Grüße aus Köln, und   zwei Leerzeichen.",
    "One\nline\tand another",
] * 5
QUESTIONS = [("Two and two are", ["three", "four", "five"], 1), ("A cat says", ["moo", "meow", "woof", "quack"], 1)]
CHOICE = """
task: few_choices
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/choices.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
"""
ROLLING = """
task: few_texts
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/texts.jsonl}}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list:
  - {{metric: word_perplexity}}
  - {{metric: byte_perplexity}}
  - {{metric: bits_per_byte}}
"""


class Hashes(LM):
    """A model whose log-likelihoods are hashes of the texts, from `least` to `least` + 1 nats a character."""

    def __init__(self, least: float) -> None:
        super().__init__()
        self._least = least

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        return [(-self._loss("".join(request.args)) * len(request.args[1]), False) for request in requests]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        return [-self._loss(request.args[0]) * len(request.args[0]) for request in requests]

    def generate_until(self, requests: list[Any]) -> list[str]:
        raise NotImplementedError

    def _loss(self, text: str) -> float:
        return self._least + int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def main() -> None:
    """Evaluate both models on both tasks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _lines(folder / "texts.jsonl", [{"text": f"{text} {k}"} for k, text in enumerate(TEXTS)])
        questions = [{"question": f"{k}. {q}", "choices": c, "answer": a} for k in range(20) for q, c, a in QUESTIONS]
        _lines(folder / "choices.jsonl", questions)
        for task, text in (("choices", CHOICE), ("texts", ROLLING)):
            (folder / f"{task}.yaml").write_text(text.format(folder=folder))
        for run, least in (("run_a", 0.5), ("run_b", 0.7)):
            _evaluate(Hashes(least), folder, HERE / run)


def _evaluate(model: LM, folder: Path, kept: Path) -> None:
    """Keep the samples of a model, and what lm_eval made of them."""
    out = folder / kept.name
    tracker = EvaluationTracker(output_path=str(out))
    tasks = ["few_choices", "few_texts"]
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = lm_eval.simple_evaluate(model, tasks=tasks, task_manager=manager, log_samples=True, bootstrap_iters=100)
    tracker.general_config_tracker.log_experiment_args("hashes", "", "", "", fewshot_as_multiturn=False)
    tracker.save_results_aggregated(found, found["samples"])
    kept.mkdir(exist_ok=True)
    for task in tasks:
        tracker.save_results_samples(task_name=task, samples=found["samples"][task])
        (written,) = out.rglob(f"samples_{task}_*.jsonl")
        (kept / f"samples_{task}.jsonl").write_text(written.read_text())
    (kept / "results.json").write_text(json.dumps(found["results"], indent=1) + "\n")


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
