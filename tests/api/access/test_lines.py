"""Lines of a file of keys: what they mean, and what is said of a line that means nothing."""

import pytest

from app.api.access.lines import Key, Rate, WrongKeys, digest_of, new_key, parse

DIGEST = digest_of("a")
OTHER = digest_of("b")


def test_a_line_is_a_key() -> None:
    text = f"\n# comment\nci {DIGEST} score\n  bot\t{OTHER}  read,jobs 100/minute # night\n"
    assert parse(text) == {
        DIGEST: Key("ci", ("score",)),
        OTHER: Key("bot", ("read", "jobs"), Rate(100, "minute")),
    }


def test_the_digest_is_that_of_the_token_as_it_is_sent() -> None:
    token, line = new_key("ci", "score,read", "5/second")
    assert len(token) == len("surprisal_") + 43  # 256 bits in the alphabet of base64
    assert parse(line) == {digest_of(token): Key("ci", ("score", "read"), Rate(5, "second"))}
    assert token not in line
    assert new_key("ci", "score")[0] != token


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ci", "must hold a name, a SHA-256, scopes and perhaps a rate, found 1 words"),
        (f"ci {DIGEST} score 1/day extra", "found 5 words"),
        (f"c/i {DIGEST} score", "the name must have 1 to 64 letters, digits and ._-"),
        (f"{'c' * 65} {DIGEST} score", "the name must have 1 to 64 letters"),
        ("ci surprisal_secret score", "`python -m app keys new` makes such a line"),
        (f"ci {DIGEST.upper()} score", "64 digits from 0 to f"),
        (
            f"ci {DIGEST} scores",
            'must be of score, jobs, read, admin, with commas and no spaces between, found "scores"',
        ),
        (f"ci {DIGEST} score,", 'found ""'),
        (f"ci {DIGEST} score 0/day", 'the rate must be like 100/minute, by second, minute, hour or day, found "0/day"'),
        (f"ci {DIGEST} score 5/week", 'found "5/week"'),
        (f"ci {DIGEST} score\nci {OTHER} read", 'line 2 of the keys: the name must be of one key, found "ci" twice'),
        (f"ci {DIGEST} score\nbot {DIGEST} read", 'the token must be of one key, found it with "ci" too'),
    ],
)
def test_a_wrong_line_is_told_with_its_number_and_without_its_token(line: str, told: str) -> None:
    with pytest.raises(WrongKeys) as error:
        parse(line)
    assert str(error.value).startswith("line ")
    assert told in str(error.value)
    assert "secret" not in str(error.value)


def test_every_wrong_line_is_told() -> None:
    with pytest.raises(WrongKeys) as error:
        parse("a\n\nb\n")
    assert [line[:6] for line in str(error.value).splitlines()] == ["line 1", "line 3"]
