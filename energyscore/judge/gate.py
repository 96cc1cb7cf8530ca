"""The gate: rules and results in, a verdict out. Pure.

Every rule that fits a result holds for it, and each of its thresholds is one check. With many
checks some are beyond their limit by chance: of those that just keep to it, 2.5 in 100.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from pydantic import Field

from energyscore.base.errors import did_you_mean
from energyscore.base.form import Part, schema_of
from energyscore.base.units import counted
from energyscore.base.version import __version__
from energyscore.judge.changes import say_changes
from energyscore.judge.counterparts import by_key, key_of
from energyscore.judge.figures import QUALITY
from energyscore.judge.gate_checks import (
    CountsAs,
    GateCheck,
    Outcome,
    check_limit,
    check_presence,
    check_stars,
)
from energyscore.judge.gate_quality import check_quality
from energyscore.judge.policy import OnInconclusive, Policy, PolicyRule
from energyscore.judge.rating import RatedResult

_OUTCOMES: tuple[Outcome, ...] = ("pass", "fail", "invalid", "unsupported", "inconclusive")
_COUNTS_AS: dict[Outcome | OnInconclusive, CountsAs]
_COUNTS_AS = {"pass": "pass", "warn": "warning", "fail": "failure"}


Verdict = Literal["pass", "fail", "invalid", "undecided"]


class GateVerdict(Part):
    """The verdict, which the exit code repeats, and every check."""

    gate_version: Literal[1] = 1
    energyscore: str = __version__
    created_at: str
    verdict: Verdict = Field(description="undecided: nothing could be told, so nothing passed")
    exit_code: Literal[0, 1, 3]
    on_inconclusive: OnInconclusive = Field(description="what inconclusive checks counted as")
    counts: dict[Outcome, int]
    decided: int = Field(description="how many checks passed or failed, whatever else counts as")
    unfitted: list[str] = Field(description="optional rules that no result fits, by their place")
    notes: list[str] = Field(description="what is to be known of the rules, for people")
    cautions: list[str] = Field(description="what is to be known of the files that were read")
    checks: list[GateCheck]

    @property
    def undecided(self) -> bool:
        """Whether nothing could be told."""
        return self.verdict == "undecided"

    @property
    def remarks(self) -> list[str]:
        """What is to be known beside the checks: of rules, and of what else has changed."""
        return [*self.notes, *self.figure_cautions, *self.other_changes]

    @property
    def other_changes(self) -> list[str]:
        """What else has changed since the baselines, a line each."""
        found = [
            f"{check.task}, {check.subject}: {say_changes(check.changed)}"
            for check in self.checks
            if check.changed and check.ratio is not None
        ]
        return list(dict.fromkeys(found))

    @property
    def figure_cautions(self) -> list[str]:
        """What is to be known of the figures, one line each with all that it is true of."""
        whose: dict[str, dict[str, None]] = {}
        for check in self.checks:
            for text in check.cautions:
                whose.setdefault(text, {})[f"{check.task}, {check.subject}"] = None
        return [f"caution: {text} ({'; '.join(names)})" for text, names in whose.items()]

    @property
    def remark_lines(self) -> list[str]:
        """The cautions and then the remarks, for people."""
        return [*(f"caution: {text}" for text in self.cautions), *self.remarks]

    @property
    def line(self) -> str:
        """The verdict in one line."""
        taken = {"pass": "taken as passed", "warn": "a warning", "fail": "taken as failed"}
        words: dict[Outcome, str] = {
            "pass": "passed",
            "fail": "failed",
            "inconclusive": f"inconclusive ({taken[self.on_inconclusive]})",
            "invalid": "invalid",
            "unsupported": "without what to check",
        }
        said = [f"{self.counts[name]} {word}" for name, word in words.items() if self.counts[name]]
        return f"{self.verdict}: {', '.join(said) or 'nothing was checked'}"


def run_gate(
    results: Sequence[RatedResult],
    baselines: Sequence[RatedResult],
    policy: Policy,
    created_at: str,
    tasks: Collection[str] = (),
    cautions: Sequence[str] = (),
) -> GateVerdict:
    """Check results against a policy; its relative limits are relative to `baselines`.

    The known `tasks` are there to find a misspelt one in a rule that no result fits, the `cautions`
    are about the files that were read. `created_at` is in UTC, ISO 8601.
    """
    checks: list[GateCheck] = []
    known = by_key(baselines)
    unfitted: list[str] = []
    notes: list[str] = []
    for place, rule in policy.rules:
        fitting = [one for one in results if rule.fits(one.result)]
        if not fitting:
            hint = _misspelt(rule, tasks, results)
            if rule.optional:
                unfitted.append(place)
                notes += [f"{place}: {hint}"] if hint else []
            else:
                checks.append(check_presence(place, rule.scope, hint))
        missing = rule.missing([one.result for one in fitting])
        checks += [check_presence(place, name) for name in missing]
        for one in fitting:
            alike = known.get(key_of(one))
            for limit in rule.limits:
                check = check_quality if limit.metric == QUALITY else check_limit
                checks.append(check(place, one, limit, alike, policy.allow))
            if rule.min_stars:
                checks.append(check_stars(place, one, rule.min_stars))
    done = []
    undecided = {check.outcome for check in checks} == {"inconclusive"}
    taken = policy.on_inconclusive or ("fail" if undecided else "warn")
    for one_check in _told_apart(checks):
        decision = taken if one_check.outcome == "inconclusive" else one_check.outcome
        counts_as = _COUNTS_AS.get(decision, "error")
        done.append(one_check.model_copy(update={"counts_as": counts_as}))
    if unfitted:
        many = counted(len(unfitted), "optional rule")
        notes.insert(0, f"{many} fitted no result ({', '.join(unfitted)})")
    verdict, code = _verdict(done)
    if undecided:
        verdict = "undecided"
    return GateVerdict(
        created_at=created_at,
        verdict=verdict,
        exit_code=code,
        on_inconclusive=taken,
        counts={name: sum(check.outcome == name for check in done) for name in _OUTCOMES},
        decided=sum(check.outcome in ("pass", "fail") for check in done),
        unfitted=unfitted,
        notes=notes,
        cautions=list(cautions),
        checks=done,
    )


def _misspelt(rule: PolicyRule, tasks: Collection[str], results: Sequence[RatedResult]) -> str:
    """Which of its tasks are not known, if it is known which there are."""
    known = {*tasks, *(one.result.task.id for one in results)}
    wrong = rule.unknown_tasks(known) if tasks else []
    return " ".join(f"unknown task {name!r}. {did_you_mean(name, known)}" for name in wrong)


def _told_apart(checks: Sequence[GateCheck]) -> list[GateCheck]:
    """Checks that look the same named by the time of their results, or by their files."""

    def look(check: GateCheck) -> tuple[object, ...]:
        return check.task, check.subject, check.threshold

    times: dict[object, dict[str | None, str | None]] = {}
    for check in checks:
        times.setdefault(look(check), {})[check.source] = check.created_at
    by_time = {key: len(set(alike.values())) == len(alike) for key, alike in times.items()}
    found = []
    for check in checks:
        apart = check.created_at if by_time[look(check)] else check.source
        alone = len(times[look(check)]) == 1
        found.append(check if alone else check.model_copy(update={"apart": apart or ""}))
    return found


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `gate --format json` prints."""
    return schema_of(GateVerdict, "energyscore-gate-1")


def _verdict(checks: Sequence[GateCheck]) -> tuple[Verdict, Literal[0, 1, 3]]:
    """A failure is one, whatever else could not be told; and where nothing was checked, no pass."""
    found = {check.counts_as for check in checks}
    if "failure" in found:
        return "fail", 1
    return ("invalid", 3) if "error" in found or not checks else ("pass", 0)
