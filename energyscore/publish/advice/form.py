"""The form of advice as it is published: what JSON has, and what every other form shows."""

import math
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from energyscore.base.errors import ResultError, first_problem
from energyscore.base.form import Part, schema_of
from energyscore.base.text import json_text
from energyscore.publish.advice.words import Strategy

Change = Literal["model", "compression", "mode", "settings", "together", "when"]


_ALIKE = 1e-6
"""Figures that follow from each other are alike to so much; texts round."""


class AdviceChoice(Part):
    """A measured result: a model in a mode, with settings."""

    model: str = Field(description="with what tells it from the other results at hand")
    file: str
    energy_wh_per_1k_queries: float
    ci95: tuple[float, float] | None
    quality: float | None = Field(description="null: not known")
    metric: str | None
    latency_p90_s: float | None
    stars: int | None
    stars_relative_to: str | None


class AdviceStrategy(Part):
    """One of the five strategies, for this service."""

    strategy: Strategy
    title: str
    text: list[str] = Field(description="sentences")
    ratio: float | None = Field(
        description="energy with it over energy without it, as measured; null: nothing is saved "
        "by it, or it is no saving"
    )
    ci95: tuple[float, float] | None
    files: list[str] = Field(description="results that the figures stand on")
    check: str | None = Field(description="the command that shows the figures, or measures anew")


class AdviceStep(Part):
    """From one measured result to the next, on the way from today's choice to the recommended."""

    change: Change = Field(
        description="what changes; compression: to a model made from the one before; together: "
        "several points, between which nothing was measured; when: the policy of loading"
    )
    name: str = Field(description="the result, or policy, that the step leads to")
    ratio: float = Field(description="energy after over before, in the unit of the waterfall")
    ci95: tuple[float, float] | None
    files: list[str]


class AdviceBar(Part):
    """A height of the waterfall."""

    name: str
    wh: float


class AdviceLeast(Part):
    """Another result whose year takes less: it idles or loads on less."""

    model: str
    file: str
    policy: str
    wh: float


class AdviceYear(Part):
    """A year of these requests: 365 days of them."""

    requests: float
    includes: Literal["requests, idling and loading", "requests alone"] = Field(
        description="idling is counted once, in this figure only"
    )
    reason: str = Field(description="why idling is not in it; empty where it is")
    today_wh: float
    recommended_wh: float
    saved_wh: float
    ratio: float = Field(description="recommended over today")
    ci95: tuple[float, float] | None
    today_co2_g: float | None
    saved_co2_g: float | None
    today_cost: float | None
    saved_cost: float | None
    currency: str | None
    policy: str | None = Field(description="of loading; null: idling is not in the figure")
    least: AdviceLeast | None = Field(
        default=None,
        description="the result whose year takes less than the recommended one's, though a "
        "query of it takes more; null: none is known",
    )
    floor_wh: float | None = Field(
        default=None,
        description="how far, at most, the machine's own power without a model sets the two apart, "
        "as it differed between the measurements; null: idling is not in the figure",
    )


class AdviceMissing(Part):
    """A piece that is not known, and how to know it."""

    piece: str
    model: str
    text: str
    command: str | None = Field(description="null: no command can tell")
    seconds: float | None = Field(description="about how long it takes; null: not known")


class AdviceLeftOut(Part):
    """A result that was not used, and why."""

    file: str
    model: str
    reason: str


class AdviceReport(Part):
    """Advice for one service."""

    kind: Literal["advice"] = "advice"
    schema_version: Literal[1] = 1
    task: str
    estimated: bool = Field(description="whether its energies are estimates and no meter's")
    note: str = Field(description="what an estimate is; empty where energies were measured")
    requests_per_hour: float | None
    max_wait_s: float | None
    today: AdviceChoice
    recommended: AdviceChoice | None
    reason: str = Field(description="why this one, or why none")
    ratio: float | None = Field(
        description="energy of a query, recommended over today: both were measured"
    )
    ci95: tuple[float, float] | None
    strategies: list[AdviceStrategy] = Field(description="five; none without a recommendation")
    unit: Literal["Wh per 1,000 queries", "Wh a year"] = Field(description="of the waterfall")
    steps: list[AdviceStep]
    waterfall: list[AdviceBar] = Field(
        description="today's energy, that after each step, the last one the recommended"
    )
    year: AdviceYear | None = Field(description="null: nobody said how requests come")
    missing: list[AdviceMissing]
    left_out: list[AdviceLeftOut]

    @model_validator(mode="after")
    def _fits_together(self) -> "AdviceReport":
        if self.waterfall and len(self.waterfall) != len(self.steps) + 1:
            raise ValueError(f"{len(self.waterfall)} heights do not fit {len(self.steps)} steps")
        if any(bar.wh < 0 for bar in self.waterfall):
            raise ValueError("a height of the waterfall is below 0")
        if any(one <= 0 for one in (self.ratio, *(self.ci95 or ())) if one is not None):
            raise ValueError("a ratio of energies is not above 0")
        if self.waterfall and self.recommended is None:
            raise ValueError("there is a waterfall, and none is recommended")
        for name, said, known in self._derived():
            if said is not None and not math.isclose(said, known, rel_tol=_ALIKE, abs_tol=_ALIKE):
                raise ValueError(f"{name} is {said:g}, and its figures come to {known:g}")
        all_ends = [self.ci95, *(one.ci95 for one in self.steps)]
        all_ends += [*(one.ci95 for one in self.strategies), self.year.ci95 if self.year else None]
        if any(ends is not None and ends[0] > ends[1] for ends in all_ends):
            raise ValueError("an interval ends before it begins")
        return self

    def _derived(self) -> Iterable[tuple[str, float | None, float]]:
        """Figures that follow from others: what each is called, what is said, what it comes to."""
        best, year = self.recommended, self.year
        if best is not None and self.today.energy_wh_per_1k_queries > 0:
            known = best.energy_wh_per_1k_queries / self.today.energy_wh_per_1k_queries
            yield "the ratio", self.ratio, known
        for step, before, after in zip(
            self.steps, self.waterfall, self.waterfall[1:], strict=False
        ):
            if before.wh > 0:
                yield f"the ratio of the step to {step.name}", step.ratio, after.wh / before.wh
        if year is not None:
            yield "what a year saves", year.saved_wh, year.today_wh - year.recommended_wh
            if year.today_wh > 0:
                yield "the ratio of a year", year.ratio, year.recommended_wh / year.today_wh


def parse_report(text: str, where: str) -> AdviceReport:
    """Read advice from what `to_json` wrote; a ResultError names `where`, and what is wrong."""
    try:
        return AdviceReport.model_validate_json(text)
    except ValidationError as error:
        raise ResultError(
            f"{where} is no advice: {first_problem(error)}.",
            "Write it with energyscore advise --format json.",
        ) from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `advise --format json` prints."""
    return schema_of(AdviceReport, "energyscore-advice-1")


def to_json(report: AdviceReport) -> bytes:
    """As JSON."""
    return (json_text(report.model_dump_json(indent=2)) + "\n").encode()
