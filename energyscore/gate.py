"""The gate: rules and measurements in, a verdict out. Pure.

Every rule that fits a measurement holds for it, and each of its thresholds is one check. With many
checks some are beyond their limit by chance: of those that just keep to it, 2.5 in 100.
"""

from collections.abc import Sequence
from typing import Any, Literal

from energyscore import __version__
from energyscore.gate_checks import (
    Check,
    CountsAs,
    Outcome,
    check_limit,
    check_presence,
    check_stars,
)
from energyscore.measured import Measured
from energyscore.policy import OnInconclusive, Policy
from energyscore.result import Part

_INCONCLUSIVE: dict[OnInconclusive, CountsAs] = {
    "pass": "pass",
    "warn": "warning",
    "fail": "failure",
}
_DECIDED: dict[Outcome, CountsAs] = {
    "pass": "pass",
    "fail": "failure",
    "invalid": "error",
    "unsupported": "error",
}


class Verdict(Part):
    """The verdict, which the exit code repeats, and every check."""

    gate_version: Literal[1] = 1
    energyscore: str = __version__
    created_at: str
    verdict: Literal["pass", "fail", "invalid"]
    exit_code: Literal[0, 1, 3]
    on_inconclusive: OnInconclusive
    counts: dict[Outcome, int]
    checks: list[Check]

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
    measured: Sequence[Measured], baselines: Sequence[Measured], policy: Policy, created_at: str
) -> Verdict:
    """Hold measurements to a policy.

    Args:
        measured: what is checked.
        baselines: what relative limits are relative to.
        policy: the rules.
        created_at: the verdict's time, UTC, ISO 8601.
    """
    checks: list[Check] = []
    for rule in policy.rules:
        fitting = [one for one in measured if rule.fits(one)]
        if not fitting and not rule.optional:
            checks.append(check_presence(rule, rule.scope))
        checks += [check_presence(rule, name) for name in rule.missing(fitting)]
        for one in fitting:
            checks += [
                check_limit(one, limit, baselines, rule, policy.allow) for limit in rule.limits
            ]
            if rule.min_stars is not None:
                checks.append(check_stars(one, rule.min_stars, rule))
    inconclusive = _INCONCLUSIVE[policy.on_inconclusive]
    counted = [
        check.model_copy(update={"counts_as": _DECIDED.get(check.outcome, inconclusive)})
        for check in checks
    ]
    verdict, code = _verdict(counted)
    outcomes: tuple[Outcome, ...] = (*_DECIDED, "inconclusive")
    return Verdict(
        created_at=created_at,
        verdict=verdict,
        exit_code=code,
        on_inconclusive=policy.on_inconclusive,
        counts={name: sum(check.outcome == name for check in counted) for name in outcomes},
        checks=counted,
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `gate --format json` prints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "energyscore-gate-1",
        **Verdict.model_json_schema(mode="serialization"),
    }


def _verdict(
    checks: Sequence[Check],
) -> tuple[Literal["pass", "fail", "invalid"], Literal[0, 1, 3]]:
    """A failure is one, whatever else could not be told; and where nothing was checked, no pass."""
    counted = {check.counts_as for check in checks}
    if "failure" in counted:
        return "fail", 1
    return ("invalid", 3) if "error" in counted or not checks else ("pass", 0)
