"""Keys for tests: tokens, and the files that hold their digests."""

from pathlib import Path

from app.api.access.lines import digest_of

TOKENS = {name: f"surprisal_{name}" for name in ("scorer", "reader", "admin", "slow", "later")}
BODY = {"labels": [1, 0], "probabilities": [0.9, 0.2]}
LINES = {
    "scorer": f"scorer {digest_of(TOKENS['scorer'])} score",
    "reader": f"reader {digest_of(TOKENS['reader'])} read",
    "admin": f"admin {digest_of(TOKENS['admin'])} admin  # of the operator",
    "slow": f"slow {digest_of(TOKENS['slow'])} score,read 2/day",
    "later": f"later {digest_of(TOKENS['later'])} score",
}


def written(path: Path, *names: str) -> str:
    """Write a file of keys; its path."""
    path.write_text("\n".join(["# name  SHA-256  scopes  rate", *(LINES[name] for name in names), ""]))
    return str(path)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}
