"""What a gate holds measurements to: the YAML file that says so.

on_inconclusive: warn          # or pass, or fail: what becomes of 'cannot tell'
baseline: energy-baseline      # folder or file, relative to this file's; for whatever is relative
allow: [power_limit]           # conditions in which a baseline may differ
scale: aienergyscore-2025-02   # what stars are relative to, as for `rate`
rules:                         # every rule that fits a result holds
  - task: text_*               # one or several patterns; left out: any
    model: [org/*, builtin:*]
    reasoning: off             # modes of reasoning; `none`: a task without
    max:                       # limits on energy, in Wh per 1,000 queries, or on its growth
      - gpu_wh_per_1k_queries<=2.5
      - gpu_decode_wh_per_1k_queries<=+10%
    max_regression: 5%         # short for gpu_wh_per_1k_queries<=+5%
    min_stars: 4
    optional: true             # no result needs to fit it
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from energyscore.base.errors import UsageError
from energyscore.base.yaml_text import read_form
from energyscore.judge.figures import GPU
from energyscore.judge.policy import (
    Limit,
    OnInconclusive,
    Policy,
    PolicyRule,
    check_allowed_of_gate,
    parse_limit,
    parse_regression,
)

MOST_BYTES = 2**20


def read_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        UsageError: when it cannot be read or is wrong; the message names the key by its path.
    """
    where = f"The policy {path}"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{where} is larger than 1 MiB.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{where} cannot be read: {error}.") from error
    return parse_policy(text, where, path.parent)


def parse_policy(text: str, where: str, folder: Path = Path()) -> Policy:
    """A policy from its YAML.

    Args:
        text: the YAML.
        where: what it is, for people.
        folder: what the path of its baseline is relative to.

    Raises:
        UsageError: naming the key by its path and what is wrong with it.
    """
    form, read = read_form(text, _PolicyForm, where, "a mapping with the key 'rules'")
    for number, rule in enumerate(form.rules):
        if not (rule.max or rule.max_regression or rule.min_stars):
            place = f"{where}, line {read.line(('rules', number))}: rules[{number}]"
            raise UsageError(f"{place}: it has no threshold: max, max_regression or min_stars.")
    try:
        allow = check_allowed_of_gate(form.allow)
    except UsageError as error:
        raise UsageError(f"{where}, line {read.line(('allow',))}: allow: {error}") from error
    return Policy(
        rules=tuple(rule.rule(f"rules[{number}]") for number, rule in enumerate(form.rules)),
        on_inconclusive=form.on_inconclusive,
        scale=form.scale,
        baseline=folder / form.baseline if form.baseline else None,
        allow=allow,
    )


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _limit(value: object) -> object:
    if isinstance(value, Limit):
        return value
    if not isinstance(value, str):
        raise ValueError(f"it is no FIGURE<=LIMIT, such as {GPU}<=2.5")
    return parse_limit(value)


def _limits(value: object) -> object:
    """One stands for itself: what is wrong with it has no place in a list."""
    return value if isinstance(value, list) else [_limit(value)]


_Text = Annotated[str, Field(min_length=1)]
_Texts = Annotated[list[_Text], Field(min_length=1), BeforeValidator(_several)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _RuleForm(_Strict):
    task: _Texts = ["*"]
    model: _Texts = ["*"]
    reasoning: Annotated[list[_Text] | None, BeforeValidator(_several)] = None
    max: Annotated[list[Annotated[Limit, BeforeValidator(_limit)]], BeforeValidator(_limits)] = []
    max_regression: Annotated[Limit | None, BeforeValidator(parse_regression)] = None
    min_stars: Annotated[int, Field(ge=1, le=5)] = 0  # none; left blank it is a mistake
    optional: bool = False

    def rule(self, place: str) -> PolicyRule:
        """What the gate takes."""
        limits = [*self.max, *([self.max_regression] if self.max_regression else [])]
        return PolicyRule(
            place,
            tuple(self.task),
            tuple(self.model),
            None if self.reasoning is None else tuple(self.reasoning),
            tuple(dict.fromkeys(limits)),
            self.min_stars or None,
            self.optional,
        )


class _PolicyForm(_Strict):
    on_inconclusive: OnInconclusive = "warn"
    scale: _Text | None = None
    baseline: _Text | None = None
    allow: _Texts = []
    rules: Annotated[list[_RuleForm], Field(min_length=1)]
