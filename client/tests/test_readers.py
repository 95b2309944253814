"""Readers of what other programs write."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from surprisal_client import Client, InputError
from surprisal_client.command.main import main
from surprisal_client.readers import by_name, lm_eval, openai, vllm

CHAT = {
    "choices": [
        {
            "logprobs": {
                "content": [
                    {"token": "The", "bytes": [84, 104, 101], "logprob": -0.31},
                    {"token": " cat", "bytes": [32, 99, 97, 116], "logprob": -2.4},
                    {"token": "?", "bytes": None, "logprob": -9999.0},
                    {"token": "é", "bytes": None, "logprob": -0.12},
                ]
            }
        }
    ]
}
ECHO = {"choices": [{"logprobs": {"tokens": ["The", " cat"], "token_logprobs": [None, -2.5]}}]}
PROMPT: dict[str, Any] = {
    "prompt_token_ids": [791, 8415, 7731],
    "prompt_logprobs": [
        None,
        {"8415": {"logprob": -4.2, "decoded_token": " cat"}, "5": {"logprob": -0.1, "decoded_token": " a"}},
        {"7731": {"logprob": -1.1, "decoded_token": " sat"}},
    ],
}


def test_chat_completions_are_rows_of_tokens(client: Client) -> None:
    rows = list(openai.rows([CHAT, ECHO]))
    assert rows == [
        {"log_probabilities": [-0.31, -2.4, -0.12], "n_bytes": 9},
        {"log_probabilities": [-2.5], "n_bytes": 4},
    ]
    found = client.score(openai.rows([CHAT, ECHO]), unit="bits")
    assert found.task == "tokens"
    assert found.n_samples == 2
    dumped = SimpleNamespace(model_dump=lambda: CHAT)
    assert list(openai.rows([dumped])) == rows[:1]
    with pytest.raises(ValueError, match="completion 0 has no logprobs"):
        list(openai.rows([{"choices": [{"logprobs": None}]}]))


def test_prompts_of_vllm_are_rows_of_tokens(client: Client) -> None:
    row = {"log_probabilities": [-4.2, -1.1], "n_bytes": 8}
    assert list(vllm.rows([PROMPT])) == [row]
    assert list(vllm.rows([{"choices": [PROMPT, PROMPT]}])) == [row, row]
    entries = [None, {8415: SimpleNamespace(logprob=-4.2, decoded_token="\ufffd")}]  # noqa: S106
    output = SimpleNamespace(prompt_token_ids=[791, 8415], prompt_logprobs=entries)
    assert list(vllm.rows([output])) == [{"log_probabilities": [-4.2]}]
    assert client.score(vllm.rows([PROMPT])).bits_per_byte.value
    with pytest.raises(ValueError, match="output 0 has no prompt_logprobs"):
        list(vllm.rows([{"prompt_token_ids": [1]}]))


@pytest.mark.parametrize("broken", [0, 1])
def test_runs_of_vllm_with_a_broken_character_have_no_bytes(broken: int, tmp_path: Path) -> None:
    entry = PROMPT["prompt_logprobs"][1]
    spoilt = {token: value | {"decoded_token": "\ufffd"} for token, value in entry.items()}
    outputs = [PROMPT, PROMPT]
    outputs[broken] = PROMPT | {"prompt_logprobs": [None, spoilt, *PROMPT["prompt_logprobs"][2:]]}
    paths = [write(tmp_path / name, outputs) for name in ("a.jsonl", "b.jsonl")]
    runs = by_name.runs_of("vllm", paths)
    assert "n_bytes" not in runs
    assert len(runs["candidates"][str(paths[0])]["log_probabilities"]) == 2


def write(path: Path, objects: list[Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    return path


def test_files_are_read_by_the_name_of_their_program(tmp_path: Path, url: str) -> None:
    lines = write(tmp_path / "completions.jsonl", [CHAT, ECHO])
    whole = tmp_path / "completions.json"
    whole.write_text(json.dumps([CHAT, ECHO]))
    both = [by_name.rows_of("openai", path, "tokens") for path in (lines, whole)]
    assert both == [list(openai.rows([CHAT, ECHO]))] * 2
    single = tmp_path / "output.json"
    single.write_text(json.dumps(PROMPT))
    assert len(by_name.rows_of("vllm", single, "tokens")) == 1
    with pytest.raises(InputError, match=r"completions\.json: output 0 has no prompt_logprobs"):
        by_name.rows_of("vllm", whole, "tokens")
    assert main(["score", "tokens", "--from", "openai", str(lines), "--url", url]) == 0


def sample(target: Any, responses: Any, **further: Any) -> dict[str, Any]:
    return {"target": target, "filtered_resps": responses, **further}


def test_choices_of_different_numbers_are_filled_up(client: Client) -> None:
    three = sample("1", [["-9.5", "False"], ["-7.25", "True"], ["-11.0", "False"]])
    four = sample(" d", [["-6", "False"], ["-5", "True"], ["-14", "False"], ["-9", "False"]])
    four["arguments"] = {f"gen_args_{k}": {"arg_0": "question", "arg_1": f" {name}"} for k, name in enumerate("abcd")}
    rows = lm_eval.rows([three, four])
    assert [row["labels"] for row in rows] == [1, 3]
    assert rows[0]["logits"] == [-9.5, -7.25, -11.0, float("-inf")]
    found = client.score(rows)
    assert (found.task, found.accuracy.value) == ("multiclass", 0.5)
    assert found.cross_entropy.status == "ok"
    assert [warning["code"] for warning in found.warnings] == ["worse_than_uniform"]
    with pytest.raises(InputError, match="must name one of its choices as the target, found 'e'"):
        lm_eval.rows([four | {"target": "e"}])


SAMPLES = Path(__file__).parent / "samples/run_a"
RESULTS = json.loads((SAMPLES / "results.json").read_text())


def test_numbers_of_lm_eval_are_reproduced_to_the_last_digit(client: Client) -> None:
    texts = client.score(lm_eval.read(SAMPLES / "samples_few_texts.jsonl"))
    told = RESULTS["few_texts"]
    for name in ("bits_per_byte", "byte_perplexity", "word_perplexity"):
        assert math.isclose(float(texts[name]), told[f"{name},none"], rel_tol=4e-16), "but for the last bit of a sum"
        assert texts[name].interval, "which lm_eval does not have"
    choices = client.score(lm_eval.read(SAMPLES / "samples_few_choices.jsonl"))
    assert choices.n_classes == 4
    assert choices.accuracy.value == RESULTS["few_choices"]["acc,none"]
    assert math.isclose(choices.accuracy.standard_error or 0, RESULTS["few_choices"]["acc_stderr,none"], rel_tol=1e-13)


def test_a_folder_of_several_tasks_is_read_for_the_one_that_is_named(url: str, capsys: Any) -> None:
    both = [lm_eval.read(SAMPLES, task=task) for task in ("tokens", "multiclass")]
    assert [len(rows) for rows in both] == [20, 40]
    with pytest.raises(InputError, match="of one kind, found texts and choices; name the task"):
        lm_eval.read(SAMPLES)
    assert main(["score", "tokens", "--from", "lm-eval", str(SAMPLES), "--url", url]) == 0
    assert json.loads(capsys.readouterr().out)["n_scored"] == 20
    assert main(["score", "tokens", "--from", "lm-eval", str(SAMPLES / "samples_few_choices.jsonl"), "--url", url]) == 3
    assert "must hold something to score as tokens, found nothing" in capsys.readouterr().err


def test_tokens_are_counted_where_a_counter_is_given(client: Client) -> None:
    texts = [sample("a bee", ["-2"]), sample("two words", [["-3.5", "True"]])]
    rows = lm_eval.rows(texts, n_tokens=lambda text: len(text.split()))
    assert [row["n_tokens"] for row in rows] == [2, 2]
    found = client.score(rows)
    assert found.cross_entropy.value == 5.5 / 4
    assert client.score(lm_eval.rows(texts)).cross_entropy.value == 5.5 / 2, "one token each, for want of a count"


def test_choices_that_are_numbers_are_told_by_their_accuracy() -> None:
    arguments = [["question", f" {text}"] for text in ("2", "1", "0")]
    responses = [["-1.0", "True"], ["-2.0", "False"], ["-3.0", "False"]]
    asked = {"arguments": arguments, "target": "2", "filtered_resps": responses}
    assert [lm_eval.rows([asked | {"acc": acc}])[0]["labels"] for acc in (1.0, 0.0)] == [0, 2]
    with pytest.raises(InputError, match="must name one of its choices as the target, found '2'"):
        lm_eval.rows([asked])


def test_what_is_no_sample_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold samples_\*\.jsonl"):
        lm_eval.read(tmp_path)
    path = tmp_path / "samples_x.jsonl"
    for wrong, told in (
        ({"target": "a"}, "'filtered_resps' is missing"),
        (sample("a", ["a text"]), "samples of generate_until have none, found 'a text'"),
        (sample("a", []), "not enough values"),
    ):
        write(path, [sample("a", ["-1"]), wrong])
        with pytest.raises(InputError, match=f"{path}: line 2 must be a sample with filtered_resps: .*{told}"):
            lm_eval.read(tmp_path)
    path.unlink()
    runs = [write(tmp_path / f"samples_x_2026-01-0{day}T00-00-00.5.jsonl", [sample("a", ["-1"])]) for day in (1, 2)]
    with pytest.raises(InputError, match=f"{tmp_path}: must hold one run of x, found {runs[0]} and {runs[1]}"):
        lm_eval.read(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        lm_eval.read(tmp_path / "none")


def test_runs_of_lm_eval_are_compared_by_the_byte(url: str, capsys: Any) -> None:
    """The files of both runs are as lm_eval wrote them, of two models."""
    runs = [str(SAMPLES), str(SAMPLES.parent / "run_b")]
    compare = ["compare", "tokens", "--from", "lm-eval", *runs, "--per", "byte", "--url", url]
    assert main([*compare, "--require", f"{runs[1]}.bits_per_byte<9"]) == 1
    found = json.loads(capsys.readouterr().out)
    told = [json.loads((Path(run) / "results.json").read_text())["few_texts"]["bits_per_byte,none"] for run in runs]
    (pair,) = found["comparisons"]
    assert math.isclose(pair["difference"]["value"], told[1] - told[0], rel_tol=1e-12)
    assert (pair["verdict"], found["unit"], found["options"]["per"]) == ("worse", "bits", "byte")
    assert main([*compare, "--markdown"]) == 1
    table = capsys.readouterr().out
    assert "cross_entropy in bits a byte" in table
    assert f"| {runs[0]} | {told[0]:.4g} |" in table
    assert main([*compare, "--unit", "nats"]) == 1
    assert json.loads(capsys.readouterr().out)["unit"] == "nats"


def test_runs_are_compared(tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["one", "two words", "three small words"] * 10
    for name, shift in (("run_a", 0.0), ("run_b", 0.5), ("run_c", 0.0)):
        (tmp_path / name).mkdir()
        lines = [
            sample(text, [str(-1.0 - shift - k / 7)]) for k, text in enumerate(texts[: 29 if name == "run_c" else 30])
        ]
        write(tmp_path / name / "samples_x.jsonl", lines)
    a, b, c = (str(tmp_path / name) for name in ("run_a", "run_b", "run_c"))
    compare = ["compare", "tokens", "--from", "lm-eval", "--url", url]
    assert main([*compare, a, b, "--per", "document"]) == 2, "the same difference on every row has no known spread"
    assert json.loads(capsys.readouterr().out)["unit"] == "nats"
    assert main([*compare, a, b]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["comparisons"][0]["candidate"] == b
    assert (answer["options"]["per"], answer["unit"]) == ("byte", "bits"), "its samples do not tell tokens"
    assert main([*compare, a, c]) == 3, "one document less"
    assert "must hold the documents of" in capsys.readouterr().err
