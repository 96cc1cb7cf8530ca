"""What the checks find, and the verdict."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

Level = Literal["ok", "not applicable", "warning", "failed"]
"""Not applicable: there was nothing to check, which counts neither for nor against."""


class Problem(NamedTuple):
    """Something that a check does not like; a warning where it may have honest causes."""

    message: str
    level: Level = "failed"


def one_line(text: str) -> str:
    """A message that may quote a stranger: one line of bounded length, without control codes."""
    plain = "".join(c if c.isprintable() else " " for c in text[:2000])
    return " ".join(plain.split())[:500]


class NotASubmission(Exception):
    """The file is none, or one that is made to do harm.

    Attributes:
        check: the name of the check that found it.
        message: what is wrong, one line.
    """

    def __init__(self, check: str, message: str) -> None:
        """Keep the check's name and the message."""
        super().__init__(message)
        self.check = check
        self.message = one_line(message)


@dataclass(frozen=True)
class Finding:
    """What a check says.

    Attributes:
        check: its name.
        where: the folder of the result, empty where it is about the whole.
        level: whether it holds, or has nothing to hold.
        message: what it found; empty where it found nothing against it.
    """

    check: str
    where: str
    level: Level
    message: str


@dataclass(frozen=True)
class Verdict:
    """All findings on a submission.

    Attributes:
        findings: in the order of the checks.
        submission: whether it is a submission at all.
        strict: whether warnings count as failures.
    """

    findings: Sequence[Finding]
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


def verdict_to_json(verdict: Verdict) -> str:
    """The verdict for programs."""
    content = {
        "verify_version": 1,
        "status": verdict.status,
        "strict": verdict.strict,
        "findings": [asdict(finding) for finding in verdict.findings],
    }
    return json.dumps(content, indent=2) + "\n"
