"""What people and machines get of a gate's verdict: a table, reports, and GitHub's summary."""

import os
import sys
from collections.abc import Sequence

from energyscore.base.errors import sentence
from energyscore.base.text import json_text
from energyscore.base.units import counted
from energyscore.cli.console import say, show_line, show_notes, show_table
from energyscore.judge.gate import GateVerdict
from energyscore.judge.policy import Policy
from energyscore.judge.rating import RatedResult
from energyscore.publish.gate_annotations import to_annotations
from energyscore.publish.gate_benchmark import to_benchmark
from energyscore.publish.gate_junit import to_junit
from energyscore.publish.gate_markdown import to_markdown
from energyscore.publish.notes import MOST_ROWS
from energyscore.publish.table_end import TableEnd, caution_lines, left_to_explain


def report_in(form: str, verdict: GateVerdict, results: Sequence[RatedResult]) -> bytes:
    """The verdict in one of the formats that a file or stdout can get."""
    if form == "benchmark":
        return to_benchmark(results)
    return {"json": _to_json, "junit": to_junit, "markdown": to_markdown}[form](verdict)


def _to_json(verdict: GateVerdict) -> bytes:
    return (json_text(verdict.model_dump_json(indent=2)) + "\n").encode()


def show_verdict(verdict: GateVerdict, *, explain: bool = False) -> None:
    """Print the checks as a table, and under it the verdict and what must be known of it."""
    checks = verdict.checks
    if len(checks) > MOST_ROWS:  # what is left out passed
        checks = sorted(checks, key=lambda check: check.counts_as == "pass")
    rows = [
        (check.outcome, check.task or "", check.subject, check.threshold, check.said)
        for check in checks
    ]
    if rows:
        show_table("", ("outcome", "task", "model", "threshold", "why"), rows)
    show_line(f"verdict: {verdict.line} (exit {verdict.exit_code})")
    end = end_of(verdict)
    show_notes([*end.lines(explain=explain), *([] if explain else left_to_explain([end]))])


def end_of(verdict: GateVerdict) -> TableEnd:
    """What stands under the verdict."""
    cautions: dict[str, list[str]] = {}
    for check in verdict.checks:
        cautions.setdefault(check.subject, []).extend(check.cautions)
    return TableEnd(
        shared=[sentence(note) for note in verdict.notes],
        cautions=[
            *(sentence(f"caution: {text}") for text in verdict.cautions),
            *caution_lines(list(cautions.items())),
        ],
        more=[sentence(line) for line in verdict.other_changes],
        topics=["what else changed"] if verdict.other_changes else [],
    )


def show_policy(policy: Policy, baselines: int) -> None:
    """Say that the policy can be used, and how many baselines it has."""
    said = counted(len(policy.rules), "rule")
    if policy.needs_baseline:
        said += f", {counted(baselines, 'baseline')} in {policy.baseline}"
    show_line(f"sound: {said}; no result was read.")


def tell_github(verdict: GateVerdict) -> None:
    """Write the job's summary, and an annotation on stderr for each check that does not pass."""
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with open(summary, "ab") as file:
                file.write(to_markdown(verdict) + b"\n")
        except OSError as error:
            say(f"caution: {summary} cannot be written: {error.strerror}.")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        sys.stdout.flush()
        sys.stderr.write(to_annotations(verdict).decode())
        sys.stderr.flush()
