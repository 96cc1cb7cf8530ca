"""The policy of a gate: its YAML file.

on_inconclusive: warn          # or pass, or fail: what inconclusive checks count as
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

from pydantic import BeforeValidator, Field

from energyscore.base.errors import UsageError
from energyscore.base.form import Strict, Text
from energyscore.base.yaml_text import read_form
from energyscore.judge.policy import (
    OnInconclusive,
    Policy,
    PolicyRule,
    check_allowed_of_gate,
    several,
)

MOST_BYTES = 2**20


def read_policy(path: Path) -> Policy:
    """Read a policy; a UsageError names the key by its path."""
    where = f"The policy {path}"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{where} is larger than 1 MiB.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{where} cannot be read: {error}.") from error
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


class _PolicyForm(Strict):
    on_inconclusive: OnInconclusive = "warn"
    scale: Text | None = None
    baseline: Text | None = None
    allow: Annotated[list[Text], BeforeValidator(several)] = Field(default_factory=list)
    rules: Annotated[list[PolicyRule], Field(min_length=1)]
