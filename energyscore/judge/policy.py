"""What a gate checks: rules with thresholds, and how thresholds are written. Pure."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from energyscore.base.errors import UsageError, did_you_mean, sentence
from energyscore.judge.comparability import PAIRED_BY, check_allowed
from energyscore.judge.figures import GPU, METRICS
from energyscore.results.result import Result

DEFAULT_POLICY = Path("energy-gate.yaml")
OnInconclusive = Literal["pass", "warn", "fail"]

_EXPRESSION = re.compile(r"\s*([A-Za-z0-9_]*)\s*(<=|=<|<|>=|=>|>|==|=)?\s*(.*?)\s*", re.DOTALL)
_PATTERN = re.compile(r"[*?\[]")
_PERCENT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*%", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Limit:
    """A figure may be at most `limit_wh`, or at most `allowed` times the baseline's.

    Attributes:
        text: the threshold as it was written.
        metric: the figure's name.
        limit_wh: in Wh per 1,000 queries; None: relative.
        allowed: 1.05 for `+5%`; None: absolute.
    """

    text: str
    metric: str
    limit_wh: float | None = None
    allowed: float | None = None

    @property
    def below(self) -> bool:
        """Whether it was written with `<`: at the limit is beyond it."""
        return "<" in self.text and "<=" not in self.text and "=<" not in self.text


@dataclass(frozen=True)
class PolicyRule:
    """Thresholds, and what they hold for: patterns with `*`, `?` and `[...]`.

    Attributes:
        place: where it stands, for people: `rules[0]`, `--max`.
        tasks: of which one must fit.
        models: of which one must fit.
        modes: reasoning modes of which one must fit (`none`: a task without); None: any.
        limits: the most energy.
        min_stars: the least stars.
        optional: whether no result needs to fit.
    """

    place: str
    tasks: tuple[str, ...] = ("*",)
    models: tuple[str, ...] = ("*",)
    modes: tuple[str, ...] | None = None
    limits: tuple[Limit, ...] = ()
    min_stars: int | None = None
    optional: bool = False

    def fits(self, result: Result) -> bool:
        """Whether the rule holds for a result."""
        if self.modes is not None and not _fits(result.mode or "none", self.modes):
            return False
        return _fits(result.task.id, self.tasks) and _fits(result.model.id, self.models)

    def missing(self, fitting: Sequence[Result]) -> list[str]:
        """The names in its lists, without patterns, that no fitting result has: `model org/a`."""
        if self.optional or not fitting:
            return []
        lists = [
            ("task", self.tasks, {one.task.id for one in fitting}),
            ("model", self.models, {one.model.id for one in fitting}),
            ("reasoning", self.modes or (), {one.mode or "none" for one in fitting}),
        ]
        return [
            f"{kind} {name}"
            for kind, names, found in lists
            for name in names
            if not _PATTERN.search(name) and name not in found
        ]

    @property
    def exact_tasks(self) -> tuple[str, ...]:
        """Its tasks that are written out, without a pattern."""
        return tuple(name for name in self.tasks if not _PATTERN.search(name))

    @property
    def scope(self) -> str:
        """What it holds for, for people."""
        parts = [("task", self.tasks), ("model", self.models), ("reasoning", self.modes or ("*",))]
        said = [f"{name} {' or '.join(patterns)}" for name, patterns in parts if patterns != ("*",)]
        return ", ".join(said) or "any result"


@dataclass(frozen=True)
class Policy:
    """All rules, and how they are applied."""

    rules: tuple[PolicyRule, ...] = ()
    on_inconclusive: OnInconclusive = "warn"
    scale: str | None = None
    baseline: Path | None = None
    allow: frozenset[str] = frozenset()

    @property
    def needs_baseline(self) -> bool:
        """Whether a rule is relative."""
        return any(limit.allowed is not None for rule in self.rules for limit in rule.limits)


def parse_limit(text: str) -> Limit:
    """Read a threshold, such as `gpu_wh_per_1k_queries<=2.5` or `gpu_wh_per_1k_queries<=+5%`.

    Raises:
        ValueError: with what is wrong, and how it is written.
    """
    found = _EXPRESSION.fullmatch(text)
    metric, operator, value = found.groups() if found else ("", None, "")
    if not metric or operator is None:
        raise ValueError(f"it is no FIGURE<=LIMIT, such as {GPU}<=2.5 or {GPU}<=+5%")
    if metric not in METRICS:
        meant = [name for name in METRICS if name.startswith(f"{metric}_")][:1]
        hint = f"Did you mean {meant[0]!r}?" if meant else did_you_mean(metric, METRICS)
        raise ValueError(f"unknown figure {metric!r}. {hint}")
    if operator not in ("<=", "<"):
        raise ValueError(f"a limit is the most that is allowed: write <=, not {operator}")
    percent = _PERCENT.fullmatch(value)
    if percent and value[0] not in "+-":
        raise ValueError(f"write +{value} for so much more than the baseline")
    if percent:
        return Limit(text.strip(), metric, allowed=_allowed(percent[1]))
    number = float(value) if _NUMBER.fullmatch(value) else math.nan
    if not 0 < number < 1e15:
        raise ValueError(
            f"the limit {value[:40]!r} is neither a number above 0 (Wh per 1,000 queries) "
            "nor a growth such as +5%"
        )
    return Limit(text.strip(), metric, limit_wh=number)


def parse_regression(text: object) -> Limit:
    """Read how much more than the baseline is allowed, such as `5%`.

    Raises:
        ValueError: when it is no percentage.
    """
    percent = _PERCENT.fullmatch(text.strip()) if isinstance(text, str) else None
    if percent is None:
        raise ValueError("it is no percentage such as 5%")
    sign = "" if percent[1][0] in "+-" else "+"
    return Limit(f"{GPU}<={sign}{percent[1]}%", GPU, allowed=_allowed(percent[1]))


def check_allowed_of_gate(names: Iterable[str]) -> frozenset[str]:
    """Names of differences in spite of which a baseline is taken, checked.

    Raises:
        UsageError: when one is unknown, or is what a result's baseline is found by.
    """
    allowed = check_allowed(names)
    for name in PAIRED_BY:
        if name in allowed:
            raise UsageError(
                f"A gate cannot allow {name!r}: a result's baseline is one of its task, its model "
                "and its reasoning mode.",
                f"`energyscore compare A B --allow {name}` compares two results.",
            )
    return allowed


def rule_of_options(
    limits: Sequence[str], min_stars: int | None, max_regression: str | None
) -> PolicyRule | None:
    """The rule that options make, for any result; None where none was given.

    Raises:
        UsageError: naming the option and what is wrong with it.
    """
    parsed = []
    for text in limits:
        try:
            parsed.append(parse_limit(text))
        except ValueError as error:
            raise UsageError(f"--max {text!r}: {sentence(str(error))}") from error
    if max_regression is not None:
        try:
            parsed.append(parse_regression(max_regression))
        except ValueError as error:
            raise UsageError(
                f"--max-regression {max_regression!r}: {sentence(str(error))}"
            ) from error
    if not parsed and min_stars is None:
        return None
    return PolicyRule("options", limits=tuple(dict.fromkeys(parsed)), min_stars=min_stars)


def with_options(
    policy: Policy,
    rule: PolicyRule | None,
    *,
    on_inconclusive: OnInconclusive | None,
    scale: str | None,
    baseline: Path | None,
    allow: Sequence[str],
) -> Policy:
    """The same policy with what options say: they win, their rule and `allow` are added.

    Raises:
        UsageError: when nothing is to be checked, or a baseline is needed and none is named.
    """
    whole = replace(
        policy,
        rules=(*policy.rules, *([rule] if rule else [])),
        on_inconclusive=on_inconclusive or policy.on_inconclusive,
        scale=scale or policy.scale,
        baseline=baseline or policy.baseline,
        allow=policy.allow | check_allowed_of_gate(allow),
    )
    if not whole.rules:
        raise UsageError(
            "Nothing is to be checked.",
            f"Give --max, --max-regression or --min-stars, or a policy ({DEFAULT_POLICY}).",
        )
    if whole.needs_baseline and whole.baseline is None:
        raise UsageError(
            "A limit is relative to a baseline, and none is named.",
            "Name one with --baseline; `energyscore baseline save` makes one.",
        )
    return whole


def _allowed(percent: str) -> float:
    value = float(percent)
    if not -100 < value <= 1e6:
        raise ValueError("a change lies above -100% and up to 1000000%")
    return 1 + value / 100


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
