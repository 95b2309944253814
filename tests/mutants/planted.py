"""The mutants: planted faults, each a piece of code in another form, with the tests that must notice it."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A planted fault.

    Attributes:
        file: The file, below the project's root; C is built anew.
        sound: The piece of code as it stands there, once.
        faulty: The piece in its place.
        tests: The tests of which at least one must fail.
    """

    name: str
    file: str
    sound: str
    faulty: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "divergence with truth and prediction swapped",
        "app/core/formulas/divergences.py",
        "kernels.row_relative_entropy(p.T, log_p.T, q.T, log_q.T)",
        "kernels.row_relative_entropy(q.T, log_q.T, p.T, log_p.T)",
        ("tests/core/formulas",),
    ),
    Mutant(
        "merge that drops the last bin",
        "app/core/sums/groups.py",
        "list(map(add, sums, theirs[name]))",
        "[*map(add, sums[:-1], theirs[name]), sums[-1]]",
        ("tests/core/test_laws.py",),
    ),
    Mutant(
        "label -1 taken for the last class",
        "app/core/kernels/verdicts.h",
        "beyond |= (uint64_t)labels[i] | (last - (uint64_t)labels[i])",
        "beyond |= last - (uint64_t)labels[i]",
        ("tests/core/kernels/test_verdicts.py", "tests/core/batch"),
    ),
    Mutant(
        "rows of other lengths cut or filled",
        "app/core/batch/truth.py",
        "    if len(wrong):\n",
        "    if len(wrong) == len(values):\n",
        ("tests/core/batch",),
    ),
    Mutant(
        "standard error over n in place of n - 1",
        "app/core/kernels/values.h",
        "one_less = words[0] - 1",
        "one_less = words[0]",
        ("tests/core/kernels/test_values.py",),
    ),
    Mutant(
        "bins that hold the other of their ends",
        "app/core/sums/layout.py",
        'kind.options.bin_edges == "left"',
        'kind.options.bin_edges == "right"',
        ("tests/api/test_golden.py",),
    ),
    Mutant(
        "clipping that nobody is told of",
        "app/core/warnings/notices.py",
        "found.append(_clipped(summary))",
        "pass",
        ("tests/core/test_threads.py",),
    ),
    Mutant(
        "verdict from too few rows",
        "app/core/compare/comparison.py",
        "if sums.n < min_samples:",
        "if sums.n < 2:",
        ("tests/core/compare/test_verdicts.py",),
    ),
    Mutant(
        "trailers without a bound",
        "app/server/protocol.py",
        "if self._trailer_bytes > MAX_HEAD_BYTES:",
        "if self._trailer_bytes > 2**40:",
        ("tests/attacks/test_protocol.py",),
    ),
    Mutant(
        "keys that may do everything",
        "app/api/access/lines.py",
        'return "admin" in self.scopes or not set(needed).isdisjoint(self.scopes)',
        "return True",
        ("tests/api/access",),
    ),
    Mutant(
        "keys told apart by a part of their digest",
        "app/api/access/keys.py",
        "return self._by_digest.get(digest_of(token))",
        "sent = digest_of(token)[:1]\n"
        "        return next((key for digest, key in self._by_digest.items() if digest[:1] >= sent), None)",
        ("tests/api/access",),
    ),
    Mutant(
        "Content-Type of any length",
        "app/api/negotiation/media.py",
        "return None if len(sent) > MAX_CONTENT_TYPE else _named(sent)",
        "return _named(sent)",
        ("tests/api/negotiation",),
    ),
    Mutant(
        "pipelining without a bound",
        "app/server/protocol.py",
        "if len(self.pipeline) >= MAX_PIPELINED:",
        "if len(self.pipeline) >= 2**40:",
        ("tests/attacks/test_protocol.py",),
    ),
    Mutant(
        "drain without delay",
        "app/server/listening.py",
        "ends = self._loop.time() + self._delay_seconds",
        "ends = self._loop.time()",
        ("tests/attacks/test_drain.py::test_clients_are_sent_away_before_the_listener_closes",),
    ),
    Mutant(
        "answer not paid for",
        "app/api/negotiation/sizes.py",
        'hold("answer", 2 * n_bytes)',
        'hold("answer", 0)',
        ("tests/attacks/test_paying.py",),
    ),
    Mutant(
        "answer given back before it is sent",
        "app/api/application.py",
        "await exchange.respond(response)\n        except",
        "exchange.release()\n                await exchange.respond(response)\n        except",
        ("tests/attacks/test_paying.py",),
    ),
    Mutant(
        "int8 not paid for",
        "app/wire/npz/archive.py",
        "return n_values * NUMBER_BYTES if is_copied else 0",
        "return 0",
        ("tests/attacks/test_paying.py",),
    ),
    Mutant(
        "one accept a turn",
        "app/server/listening.py",
        "while n_taken < BATCH and",
        "while n_taken < 1 and",
        ("tests/attacks/test_load.py",),
    ),
)
