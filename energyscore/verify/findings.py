"""What a check finds, how a stated value is compared with a derived one, and the verdict."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, TypeGuard

Level = Literal["ok", "not applicable", "warning", "failed"]
"""Not applicable: there was nothing to check, which counts neither for nor against."""

ROUNDING = 1e-6  # Sums of the same numbers in another order differ by less than this share


class Problem(NamedTuple):
    """What is wrong; a warning where it may have honest causes."""

    message: str
    level: Level = "failed"


NOT_APPLICABLE = Problem("", "not applicable")  # there is nothing to check


class Derived(NamedTuple):
    """A value that is stated, and recomputed; numbers may differ by `within`, or by rounding."""

    name: str
    stated: object
    found: object
    within: float | None = None


Found = str | Problem | Derived
Finds = Iterator[Found]
"""A check yields what is wrong as text or as a `Problem`, and each value that it derives."""


def problem_of(found: Found) -> Problem | None:
    """What is wrong by one finding; None for a derived value that agrees."""
    if isinstance(found, str):
        return Problem(found)
    if isinstance(found, Problem):
        return found
    name, stated, derived, within = found
    if agree(stated, derived, within):
        return None
    margin = f" (± {within:.3g})" if within else ""
    return Problem(f"{name} is {_shown(stated)}; recomputed: {_shown(derived)}{margin}")


def agree(one: object, other: object, within: float | None = None) -> bool:
    """Whether two values are the same, numbers but for rounding; None equals None only."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return all(agree(a, b, within) for a, b in zip(one, other, strict=True))
    if not (is_number(one) and is_number(other)):
        return one == other and isinstance(one, bool) == isinstance(other, bool)
    allowed = ROUNDING * max(abs(one), abs(other), 1e-12) if within is None else within
    return abs(one - other) <= allowed


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number, and neither a text nor a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.9g}" if isinstance(value, float) else f"{value!s:.200}"


def one_line(text: str) -> str:
    """A message that may quote a stranger: one line of bounded length, without control codes."""
    plain = "".join(c if c.isprintable() else " " for c in text[:2000])
    return " ".join(plain.split())[:500]


class NotASubmission(Exception):
    """The file is not a submission, or is made to do harm: the check that found it, and what."""

    def __init__(self, check: str, message: str) -> None:
        """Keep the check's name and the message."""
        super().__init__(message)
        self.check = check
        self.message = one_line(message)


@dataclass(frozen=True)
class CheckOutcome:
    """One outcome of a check: its name, the folder of the result (or none), level and message."""

    check: str
    where: str
    level: Level
    message: str = ""


@dataclass(frozen=True)
class Verification:
    """All findings on a file, in the order of the checks; `strict`: warnings are failures."""

    findings: Sequence[CheckOutcome]
    submission: bool = True
    strict: bool = False

    @property
    def status(self) -> Literal["valid", "not acceptable", "not a submission"]:
        """The verdict in words."""
        if not self.submission:
            return "not a submission"
        return "not acceptable" if self.exit_code else "valid"

    @property
    def exit_code(self) -> int:
        """0 valid, 1 not acceptable, 2 not a submission."""
        if not self.submission:
            return 2
        bad = {"failed", "warning"} if self.strict else {"failed"}
        return int(any(finding.level in bad for finding in self.findings))


def verdict_to_json(verdict: Verification) -> str:
    """The verdict for programs."""
    content = {
        "verify_version": 1,
        "status": verdict.status,
        "strict": verdict.strict,
        "findings": [asdict(finding) for finding in verdict.findings],
    }
    return json.dumps(content, indent=2) + "\n"
