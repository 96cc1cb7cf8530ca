"""A verdict as GitHub annotations: one line of a log for each check that does not pass."""

from energyscore.export.escape import command_data, command_property, one_line
from energyscore.gate import Verdict

_LEVELS = {"failure": "error", "error": "error", "warning": "warning"}


def to_annotations(verdict: Verdict) -> bytes:
    """Workflow commands, errors first; GitHub shows ten of each level a step."""
    lines = []
    for check in verdict.checks:
        if check.counts_as != "pass":
            level = _LEVELS[check.counts_as]
            title = command_property(one_line(f"Energy gate: {check.outcome}"))
            task = f"{check.task}, " if check.task else ""
            said = f"{task}{check.subject}: {check.threshold}: {check.reason}"
            said += " (estimated)" if check.estimated else ""
            lines.append(f"::{level} title={title}::{command_data(one_line(said))}\n")
    return "".join(sorted(lines, key=lambda line: not line.startswith("::error"))).encode()
