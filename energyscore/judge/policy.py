"""What a gate checks: rules with thresholds, how thresholds are written, and the policy's file.

on_inconclusive: warn          # or pass, or fail: what inconclusive checks count as, all of them
                               # too; left out: warn, and fail where nothing was decided
baseline: energy-baseline      # folder or file, relative to this file's; for whatever is relative
allow: [power_limit]           # conditions in which a baseline may differ
scale: aienergyscore-2025-02   # what stars are relative to, as for `rate`
rules:                         # every rule that fits a result holds
  - task: text_*               # one or several patterns; left out: any
    model: [org/*, builtin:*]
    reasoning: off             # modes of reasoning; `none`: a task without
    max:                       # limits on energy, in the unit that the figure names, or on growth
      - gpu_wh_per_1k_queries<=2.5
      - gpu_joules_per_output_token<=0.5
      - gpu_decode_wh_per_1k_queries<=+10%
    min: quality>=0.9          # the least of a figure; or quality>=-1% of the baseline's
    max_regression: 5%         # short for gpu_wh_per_1k_queries<=+5%
    min_stars: 4
    optional: true             # no result needs to fit it
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from energyscore.base.errors import UsageError, did_you_mean, sentence
from energyscore.base.files import read_text
from energyscore.base.form import Strict, Text
from energyscore.base.yaml_text import read_form
from energyscore.judge.comparability import PAIRED_BY, check_allowed
from energyscore.judge.figures import GPU, METRICS, QUALITY, unit_of
from energyscore.results.result import Result

DEFAULT_POLICY = Path("energy-gate.yaml")
MOST_CHARACTERS = 2**20
OnInconclusive = Literal["pass", "warn", "fail"]

_EXPRESSION = re.compile(r"\s*([A-Za-z0-9_]*)\s*(<=|=<|<|>=|=>|>|==|=)?\s*(.*?)\s*", re.DOTALL)
_PATTERN = re.compile(r"[*?\[]")
_PERCENT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*%", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Limit:
    """A figure may be at most `most`, in its unit, or `allowed` times the baseline's.

    One of the two is None. `text` is the threshold as it was written. With `>=` it is the least.
    """

    text: str
    metric: str
    most: float | None = None
    allowed: float | None = None

    @property
    def below(self) -> bool:
        """Whether it was written with `<` or `>`: at the limit is beyond it."""
        return "=" not in self.text

    @property
    def least(self) -> bool:
        """Whether it is the least that is asked for, and not the most."""
        return ">" in self.text


def several(value: object) -> object:
    """One value where a list may stand."""
    return value if isinstance(value, list) else [value]


def parse_limit(text: object) -> Limit:
    """Read `gpu_wh_per_1k_queries<=2.5` or `...<=+5%`; a ValueError says how it is written."""
    metric, operator, value = _parts_of(text, f"FIGURE<=LIMIT, such as {GPU}<=2.5 or {GPU}<=+5%")
    if operator not in ("<=", "<"):
        how = f"write {metric}{operator} as a min" if metric == QUALITY else f"not {operator}"
        raise ValueError(f"a limit is the most that is allowed: write <=, {how}")
    return _limit_of(str(text).strip(), metric, value)


def parse_least(text: object) -> Limit:
    """Read `quality>=0.9` or `quality>=-1%`; a ValueError says how it is written."""
    metric, operator, value = _parts_of(text, f"{QUALITY}>=LIMIT, or {QUALITY}>=-1%")
    if metric != QUALITY:
        raise ValueError(f"{metric} has a most and no least: write {metric}<= as a max")
    if operator not in (">=", ">"):
        raise ValueError(f"a min is the least that is asked for: write >=, not {operator}")
    return _limit_of(str(text).strip(), metric, value)


def _parts_of(text: object, expected: str) -> tuple[str, str, str]:
    """Figure, operator and limit of a threshold."""
    found = _EXPRESSION.fullmatch(text) if isinstance(text, str) else None
    metric, operator, value = found.groups() if found else ("", None, "")
    if found is None or not metric or operator is None:
        raise ValueError(f"expected {expected}")
    if metric not in METRICS:
        meant = [name for name in METRICS if name.startswith(f"{metric}_")][:1]
        hint = f"Did you mean {meant[0]!r}?" if meant else did_you_mean(metric, METRICS)
        raise ValueError(f"unknown figure {metric!r}. {hint}")
    return metric, operator, value


def _limit_of(text: str, metric: str, value: str) -> Limit:
    percent = _PERCENT.fullmatch(value)
    if percent and value[0] not in "+-":
        raise ValueError(f"write +{value} for so much more than the baseline")
    if percent:
        return Limit(text, metric, allowed=_allowed(percent[1]))
    number = float(value) if _NUMBER.fullmatch(value) else math.nan
    if not 0 < number < 1e15:
        raise ValueError(
            f"the limit {value[:40]!r} is neither a number above 0 ({unit_of(metric)}) "
            "nor a growth such as +5%"
        )
    return Limit(text, metric, most=number)


def parse_regression(text: object) -> Limit:
    """Read how much more than the baseline is allowed, such as `5%`; a ValueError if it is not."""
    percent = _PERCENT.fullmatch(text.strip()) if isinstance(text, str) else None
    if percent is None:
        raise ValueError("expected a percentage such as 5%")
    sign = "" if percent[1][0] in "+-" else "+"
    return Limit(f"{GPU}<={sign}{percent[1]}%", GPU, allowed=_allowed(percent[1]))


def _allowed(percent: str) -> float:
    value = float(percent)
    if not -100 < value <= 1e6:
        raise ValueError("a change lies above -100% and up to 1000000%")
    return 1 + value / 100


def _read_by(parse: Callable[[object], Limit]) -> BeforeValidator:
    return BeforeValidator(lambda value: value if isinstance(value, Limit) else parse(value))


Texts = Annotated[list[Text], Field(min_length=1), BeforeValidator(several)]
Limits = Annotated[list[Annotated[Limit, _read_by(parse_limit)]], BeforeValidator(several)]
Leasts = Annotated[list[Annotated[Limit, _read_by(parse_least)]], BeforeValidator(several)]


class PolicyRule(Strict):
    """Thresholds, and the results they hold for; names may be patterns with `*`, `?`, `[...]`."""

    task: Texts = Field(["*"])
    model: Texts = Field(["*"])
    reasoning: Texts = Field(["*"])
    max: Limits = Field([])
    min: Leasts = Field([])
    max_regression: Annotated[Limit | None, _read_by(parse_regression)] = None
    min_stars: Annotated[int, Field(ge=1, le=5)] = 0  # 0: none; a blank value is an error
    optional: bool = False

    @model_validator(mode="after")
    def _has_a_threshold(self) -> "PolicyRule":
        if not (self.limits or self.min_stars):
            raise ValueError("it has no threshold: max, min, max_regression or min_stars")
        return self

    @property
    def limits(self) -> list[Limit]:
        """All limits on figures, each once."""
        regression = [self.max_regression] if self.max_regression else []
        return list(dict.fromkeys([*self.max, *self.min, *regression]))

    @property
    def _lists(self) -> dict[str, list[str]]:
        return {"task": self.task, "model": self.model, "reasoning": self.reasoning}

    def fits(self, result: Result) -> bool:
        """Whether the rule holds for a result."""
        names = _names_of(result)
        return all(
            any(fnmatchcase(names[kind], pattern) for pattern in patterns)
            for kind, patterns in self._lists.items()
        )

    def missing(self, fitting: Sequence[Result]) -> list[str]:
        """The names in its lists, without patterns, that no fitting result has: `model org/a`."""
        if self.optional or not fitting:
            return []
        found = {f"{kind} {name}" for one in fitting for kind, name in _names_of(one).items()}
        wanted = [
            f"{kind} {name}"
            for kind, names in self._lists.items()
            for name in names
            if not _PATTERN.search(name)
        ]
        return [name for name in wanted if name not in found]

    def unknown_tasks(self, known: Collection[str]) -> list[str]:
        """Its tasks, written out without a pattern, that are not known."""
        return [name for name in self.task if not _PATTERN.search(name) and name not in known]

    @property
    def scope(self) -> str:
        """What it holds for, for people."""
        said = [f"{k} {' or '.join(names)}" for k, names in self._lists.items() if names != ["*"]]
        return ", ".join(said) or "any result"


@dataclass(frozen=True)
class Policy:
    """All rules, each with its place for people (`rules[0]`, `options`), and how they apply."""

    rules: tuple[tuple[str, PolicyRule], ...] = ()
    on_inconclusive: OnInconclusive | None = None  # warn; fail where nothing was decided
    scale: str | None = None
    baseline: Path | None = None
    allow: frozenset[str] = frozenset()

    @property
    def needs_baseline(self) -> bool:
        """Whether a rule is relative."""
        return any(limit.allowed is not None for _, rule in self.rules for limit in rule.limits)

    @property
    def needs_stars(self) -> bool:
        """Whether a rule asks for stars."""
        return any(rule.min_stars for _, rule in self.rules)


class _PolicyForm(Strict):
    on_inconclusive: OnInconclusive | None = None
    scale: Text | None = None
    baseline: Text | None = None
    allow: Annotated[list[Text], BeforeValidator(several)] = Field(default_factory=list)
    rules: Annotated[list[PolicyRule], Field(min_length=1)]


def read_policy(path: Path) -> Policy:
    """Read a policy; a UsageError names the key by its path."""
    where = f"The policy {path}"
    text = read_text(path, where)
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"{where} is larger than a million characters.")
    return parse_policy(text, where, path.parent)


def parse_policy(text: str, where: str, folder: Path = Path()) -> Policy:
    """A policy from its YAML; the path of its baseline is relative to `folder`."""
    form, read = read_form(text, _PolicyForm, where, "a mapping with the key 'rules'")
    try:
        allow = check_allowed_of_gate(form.allow)
    except UsageError as error:
        raise UsageError(f"{where}, line {read.line(('allow',))}: allow: {error}") from error
    return Policy(
        rules=tuple((f"rules[{number}]", rule) for number, rule in enumerate(form.rules)),
        on_inconclusive=form.on_inconclusive,
        scale=form.scale,
        baseline=folder / form.baseline if form.baseline else None,
        allow=allow,
    )


def check_allowed_of_gate(names: Iterable[str]) -> frozenset[str]:
    """The differences in spite of which a baseline is taken; those it is found by are refused."""
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
    limits: Sequence[str],
    min_stars: int | None,
    max_regression: str | None,
    leasts: Sequence[str] = (),
) -> PolicyRule | None:
    """The rule that the options make, for any result; None if no limit was given."""
    given: dict[str, Any] = {}
    if limits:
        given["max"] = [_option("--max", text, parse_limit) for text in limits]
    if leasts:
        given["min"] = [_option("--min", text, parse_least) for text in leasts]
    if max_regression is not None:
        given["max_regression"] = _option("--max-regression", max_regression, parse_regression)
    if min_stars is not None:
        given["min_stars"] = min_stars
    return PolicyRule(**given) if given else None


def _option(name: str, text: str, parse: Callable[[str], Limit]) -> Limit:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{name} {text!r}: {sentence(str(error))}") from error


def with_options(
    policy: Policy,
    rule: PolicyRule | None,
    *,
    on_inconclusive: OnInconclusive | None,
    scale: str | None,
    baseline: Path | None,
    allow: Sequence[str],
) -> Policy:
    """The policy with the options: they win, and their rule and `allow` are added."""
    whole = replace(
        policy,
        rules=(*policy.rules, *([("options", rule)] if rule else [])),
        on_inconclusive=on_inconclusive or policy.on_inconclusive,
        scale=scale or policy.scale,
        baseline=baseline or policy.baseline,
        allow=policy.allow | check_allowed_of_gate(allow),
    )
    if not whole.rules:
        raise UsageError(
            "Nothing is to be checked.",
            f"Give --max, --min, --max-regression or --min-stars, or a policy ({DEFAULT_POLICY}).",
        )
    if whole.needs_baseline and whole.baseline is None:
        raise UsageError(
            "A limit is relative to a baseline, and none is named.",
            "Name one with --baseline; `energyscore baseline save` makes one.",
        )
    return whole


def _names_of(result: Result) -> dict[str, str]:
    return {
        "task": result.task.id,
        "model": result.model.id,
        "reasoning": result.mode or "none",
    }
