"""A verdict as GitHub annotations: a line of a log for each check that does not pass, and notes."""

from energyscore.base.text import command_data, command_property, one_line
from energyscore.judge.gate import GateVerdict

_LEVELS = {"failure": "error", "error": "error", "warning": "warning"}


def to_annotations(verdict: GateVerdict) -> bytes:
    """Workflow commands, errors first; GitHub shows ten of each level a step."""
    lines = []
    for check in verdict.checks:
        if check.counts_as != "pass":
            level = _LEVELS[check.counts_as]
            title = command_property(one_line(f"Energy gate: {check.outcome}"))
            task = f"{check.task}, " if check.task else ""
            said = f"{task}{check.subject}: {check.threshold}: {check.said}"
            lines.append(f"::{level} title={title}::{command_data(one_line(said))}\n")
    rest = [("warning", "caution", caution) for caution in verdict.cautions]
    if verdict.undecided:
        rest.insert(0, ("error" if verdict.exit_code else "warning", "undecided", verdict.line))
    for level, name, text in [*rest, *(("notice", "note", remark) for remark in verdict.remarks)]:
        title = command_property(f"Energy gate: {name}")
        lines.append(f"::{level} title={title}::{command_data(one_line(text))}\n")
    return "".join(sorted(lines, key=lambda line: not line.startswith("::error"))).encode()
