"""A verdict as Markdown, for the summary of a job."""

import itertools

from energyscore.base.text import markdown_table, markdown_text
from energyscore.base.units import with_ends
from energyscore.judge.figures import QUALITY, TIMES, UNIT
from energyscore.judge.gate import GateVerdict
from energyscore.judge.gate_checks import GateCheck

MOST_BYTES = 900_000
"""GitHub takes 1 MiB of summary a step, and shows none of a larger one."""

MOST_REMARKS = 20

_MARKS = {"failure": "❌", "error": "⛔", "warning": "⚠️", "pass": "✅"}  # the worst first
_OF_ENERGY = ("limit", "regression")
_COLUMNS = ("", "task", "model", "hardware", "threshold", "value", "outcome")


def to_markdown(verdict: GateVerdict) -> bytes:
    """The verdict and a table of all checks, worst first; rows that do not fit are counted."""
    mark = {"pass": "✅", "fail": "❌", "invalid": "⛔", "undecided": "⚠️"}[verdict.verdict]
    text = f"## {mark} Energy gate {markdown_text(verdict.line)}\n\n"
    order = list(_MARKS)
    checks = sorted(verdict.checks, key=lambda check: order.index(check.counts_as))
    lines = [f"{line}\n" for line in markdown_table(_COLUMNS, map(_cells, checks))]
    sizes = itertools.accumulate((len(line.encode()) for line in lines), initial=len(text.encode()))
    shown = sum(size <= MOST_BYTES for size in sizes) - 1
    text += "".join(lines[:shown])
    if shown < len(lines):
        text += f"\n{len(lines) - shown} more checks are left out here.\n"
    text += "".join(
        f"\n- {markdown_text(remark)}" for remark in verdict.remark_lines[:MOST_REMARKS]
    )
    text += "\n" * bool(verdict.remark_lines)
    if len(verdict.remark_lines) > MOST_REMARKS:
        text += f"\n{len(verdict.remark_lines) - MOST_REMARKS} more notes are left out here.\n"
    if any(check.is_estimate for check in verdict.checks):
        text += "\n*estimated*: by load and time, not by a meter; no GPU energy.\n"
    units = dict.fromkeys(
        check.unit
        for check in verdict.checks
        if check.kind in _OF_ENERGY and check.metric not in (*TIMES, QUALITY)
    )
    text += (
        f"\nEnergy in {' and '.join(units) or UNIT} with the 95% interval over the runs. "
        f"energyscore {markdown_text(verdict.energyscore)}, {verdict.created_at}.\n"
    )
    return text.encode()


def _cells(check: GateCheck) -> tuple[str, ...]:
    subject = (check.task or "", check.subject, check.hardware or "")
    texts = (*subject, check.threshold, _value(check), f"{check.outcome}: {check.reason}")
    passed = check.counts_as == "pass" and check.outcome != "pass"
    return _MARKS["warning" if passed else check.counts_as], *map(markdown_text, texts)


def _value(check: GateCheck) -> str:
    if check.value is None:
        return "none"
    if check.kind == "stars":
        return f"{check.value:.0f} stars{' (estimated)' if check.is_estimate else ''}"
    unit = check.unit.split()[0]
    return (
        f"{with_ends(check.value, check.ci95)} {unit}{' (estimated)' if check.is_estimate else ''}"
    )
