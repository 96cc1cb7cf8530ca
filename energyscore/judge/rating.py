"""Rating results: against whom each may be rated, and how sure its stars are.

Stars are relative. They are given against a dated reference only when the result was measured
on the reference's hardware by its protocol; otherwise against the cohort of comparable results
at hand, which the rating names. Estimated energy is rated among estimates only.

Stars come with the probability of each, from what is known of the figure's uncertainty u:

- In a cohort on one GPU an error of its meter is the same in all figures and moves no stars: u is
  the standard error of the mean over the runs.
- Against a reference, which was measured elsewhere, it does not cancel: the reference's
  `uncertainty` is added, u^2 = SE^2 + (systematic x E / sqrt 3)^2 + (device_spread x E)^2.
- Nor does all of it in a cohort whose members were metered on different GPUs (by UUID): what is
  known of their name is added (`results/gpu_sensors.json`). An error that all GPUs of a name share
  moves no stars.
- Few runs tell the standard error itself poorly: the probabilities are then Student's, with the
  degrees of freedom of u.
- A result does not say which processor of a name it was measured on: system figures of a cohort
  are taken to be from one machine.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from energyscore.judge.comparability import Condition, cohort_key, conditions_of
from energyscore.judge.departures import departures_from
from energyscore.judge.figures import Basis, EnergyFigure, Headline, figure_of, headline_of
from energyscore.judge.footprint import Footprint, Site, footprint_of
from energyscore.judge.modes import Multiple, multiples_of
from energyscore.judge.references import reference_for
from energyscore.judge.unratable import NoStars, unratable, why_no_place, why_unratable
from energyscore.protocol.scales import COHORT, Scale, Uncertainty, all_scales, load_scale
from energyscore.protocol.stars import Probabilities, StarRange, star_chances, stars_for
from energyscore.results.conformance import Departure
from energyscore.results.gpu_sensors import between_devices
from energyscore.results.names import label_of, names_in_view, with_details
from energyscore.results.result import Result

Kind = Literal["reference", "cohort"]
NO_TASK = "functions have no stars: what they do is no task"
_REPEATABILITY_ONLY = Uncertainty(
    systematic=0, device_spread=0, source="measured alike: what errs in all alike moves no stars"
)


@dataclass(frozen=True)
class _Range:
    """What stars are relative to; `error` is None where its uncertainty is not known."""

    kind: Kind
    name: str
    range_wh: tuple[float, float]
    error: Uncertainty | None
    size: int | None = None
    models: int | None = None
    reference: Scale | None = None


@dataclass(frozen=True)
class Rating:
    """The stars of one result, or why it has none: `no_stars` as a code, `reason` in words.

    Attributes:
        headline: the figure that is rated; None when no energy is known.
        departures: the points in which the result departs from the reference's protocol.
        scale: what the stars are relative to: the name of a reference, or `cohort of N`.
        cohort_size: that N; None for a reference, and without stars.
        probabilities: the chance of 1, 2, 3, 4 and 5 stars, which sum to 1; else there is a reason.
        uncertainty_wh: their standard uncertainty, in Wh per 1,000 queries.
        reference: the reference that gives them; None in a cohort, and without stars.
    """

    headline: Headline | None
    departures: tuple[Departure, ...]
    stars: int | None = None
    kind: Kind | None = None
    scale: str | None = None
    cohort_size: int | None = None
    no_stars: NoStars | None = None
    reason: str = ""
    probabilities: Probabilities | None = None
    uncertainty_wh: float | None = None
    probability_reason: str = ""
    reference: Scale | None = None

    @property
    def basis(self) -> Basis | None:
        """What was metered for the headline."""
        return None if self.headline is None else self.headline.basis

    @property
    def estimated(self) -> bool:
        """Whether the headline is an estimate."""
        return self.headline is not None and self.headline.estimated

    @property
    def energy_wh(self) -> float | None:
        """The headline in Wh per 1,000 queries."""
        return None if self.headline is None else self.headline.energy_wh


@dataclass(frozen=True)
class RatedResult:
    """A result with its rating.

    Attributes:
        file: the file it is kept in; empty when in none.
        footprint: its CO2 and cost, where they were asked for.
        called: its model's name in this view, where another model has the same name.
        setting: what tells it in this view from others of the model at the task: `batch 8`.
        multiple: its energy against that of a lower mode of reasoning in this view.
        commit: the commit that a baseline was saved at; None when none is known.
    """

    result: Result
    rating: Rating
    file: str = ""
    footprint: Footprint | None = None
    called: str = ""
    setting: str = ""
    multiple: Multiple | None = None
    commit: str | None = None

    @functools.cached_property
    def conditions(self) -> dict[str, Condition]:
        """The conditions that it was measured under."""
        return conditions_of(self.result)

    @functools.cached_property
    def cohort(self) -> tuple[Condition, ...] | None:
        """What all of its cohort share; None where it has none."""
        return cohort_key(self.result, known=self.conditions)

    def figure(self, metric: str) -> EnergyFigure:
        """One of its figures by its name, or why there is none."""
        if metric not in self._figures:
            headline = self.headline
            gpu = headline.summary if headline and headline.basis == "gpu" else None
            self._figures[metric] = figure_of(self.result, metric, gpu)
        return self._figures[metric]

    @functools.cached_property
    def _figures(self) -> dict[str, EnergyFigure]:
        return {}

    @property
    def name(self) -> str:
        """The model's name in this view."""
        return self.called or self.result.model.id

    @property
    def title(self) -> str:
        """The model's name in this view, with what tells it from others of the model."""
        return with_details(self.name, self.setting)

    @property
    def label(self) -> str:
        """As `title`, with the mode of reasoning where the model was asked for one."""
        return label_of(self.result, self.name, self.setting)

    @property
    def headline(self) -> Headline | None:
        """The figure that is shown first: energy, interval, basis; None without energy."""
        return self.rating.headline

    @property
    def co2_g_per_1k_queries(self) -> float | None:
        """Grams of CO2 of the headline; None where it or the grid is missing."""
        return self.footprint.co2_g(self.rating.energy_wh) if self.footprint else None

    @property
    def cost_per_1k_queries(self) -> float | None:
        """Cost of the headline; None where it or the price is missing."""
        return self.footprint.cost(self.rating.energy_wh) if self.footprint else None


Report: TypeAlias = Sequence[RatedResult]


def rate(results: Sequence[Result], scale: str | None = None) -> list[Rating]:
    """Rate results, in their order; together they are each other's cohort.

    Without a `scale` each is rated against the newest reference at hand that was measured as it was
    (`reference_for`) where it is comparable to that, and against its cohort otherwise; `cohort`, or
    the name or file of a reference, rates against that only.
    """
    scales = all_scales() if scale in (None, COHORT) else [load_scale(scale)]
    keys = [cohort_key(result) for result in results]
    headlines = [headline_of(result) for result in results]
    cohorts = _cohorts(results, keys, headlines)
    ratings = []
    for result, key, headline in zip(results, keys, headlines, strict=True):
        reference = reference_for(result, scales)
        departures = () if scale == COHORT else departures_from(result, reference)
        found: _Range | tuple[NoStars, str]
        if result.of_function and not why_unratable(result):
            found = "no_task", NO_TASK
        elif scale == COHORT or (scale is None and departures):
            found = _in_cohort(result, cohorts.get(key))
        else:
            found = _by_reference(result, reference, departures)
        ratings.append(_rating(headline, found, departures))
    return ratings


def rate_files(
    loaded: Iterable[tuple[Path | str, Result]],
    scale: str | None = None,
    site: Site | None = None,
    *,
    stars: bool = True,
) -> list[RatedResult]:
    """Rate the results of one view, with their CO2 and cost at `site`, else where each was made.

    Without `stars` the `scale` is checked only.
    """
    loaded = list(loaded)
    results = [result for _, result in loaded]
    if stars:
        ratings = rate(results, scale)
    else:
        rate([], scale)  # what is wrong with it is an error all the same
        ratings = [unrated(result) for result in results]
    return in_one_view(
        RatedResult(result, rating, str(file), footprint_of(result, site))
        for (file, result), rating in zip(loaded, ratings, strict=True)
    )


def unrated(result: Result) -> Rating:
    """A result's headline, where no stars are asked for."""
    return Rating(headline_of(result), ())


def in_one_view(report: Iterable[RatedResult]) -> list[RatedResult]:
    """Results that are shown together: named so that they are told apart, modes compared."""
    report = list(report)
    names = names_in_view([entry.result for entry in report])
    multiples = multiples_of([entry.result for entry in report])
    return [
        replace(entry, called=name.model, setting=name.setting, multiple=multiple)
        for entry, name, multiple in zip(report, names, multiples, strict=True)
    ]


def _by_reference(
    result: Result, reference: Scale, departures: tuple[Departure, ...]
) -> _Range | tuple[NoStars, str]:
    """The bands of a reference for a result, or why it has no stars."""
    if departures:
        points = "; ".join(map(str, departures))
        return "departs", f"not comparable to {reference.name}: {points}"
    code, reason = unratable(result)
    if code is not None:
        return code, reason
    if result.score.gpu_wh_per_1k_queries is None:
        return "no_energy", result.score.reason
    band = reference.band(result.task.scale_task, result.model.model_class, result.mode)
    assert band is not None  # `departures_from` would have named its absence
    return _Range(
        "reference", reference.name, band.range_wh, reference.uncertainty, reference=reference
    )


def _in_cohort(result: Result, cohort: _Range | None) -> _Range | tuple[NoStars, str]:
    """The range of the cohort of a result, or why it has no stars."""
    code, reason = why_no_place(result)
    if code is not None:
        return code, reason
    if cohort is None:
        return "no_energy", "no energy was measured"
    if cohort.models == 1:
        return "too_few_models", "stars are relative: at least two comparable models are needed"
    if cohort.range_wh[0] == cohort.range_wh[1]:
        return "no_spread", "stars are relative: all comparable results have the same energy"
    return cohort


def _cohorts(
    results: Sequence[Result], keys: Sequence[object], headlines: Sequence[Headline | None]
) -> dict[object, _Range]:
    """The cohorts by what their members share."""
    alike: dict[object, list[tuple[Result, float]]] = {}
    for result, key, headline in zip(results, keys, headlines, strict=True):
        if headline is not None and not result.of_function and not why_no_place(result)[0]:
            alike.setdefault(key, []).append((result, headline.energy_wh))
    cohorts = {}
    for key, members in alike.items():
        figures = [energy_wh for _, energy_wh in members]
        # Counter and integrated power of one GPU err differently.
        places = {(frozenset(r.protocol.metered_gpus), r.score.method) for r, _ in members}
        cohorts[key] = _Range(
            "cohort",
            f"cohort of {len(members)}",
            (min(figures), max(figures)),
            _REPEATABILITY_ONLY if len(places) == 1 else _error_among(members[0][0]),
            len(members),
            len({(result.model.id, result.model.revision) for result, _ in members}),
        )
    return cohorts


def _error_among(one: Result) -> Uncertainty:
    """Of a cohort on different GPUs, by one of its members: all have GPUs of its names."""
    return between_devices([gpu.name for gpu in one.environment.gpus])


def _rating(
    headline: Headline | None,
    scale: _Range | tuple[NoStars, str],
    departures: tuple[Departure, ...],
) -> Rating:
    if not isinstance(scale, _Range):
        code, reason = scale
        return Rating(
            headline, departures, no_stars=code, reason=reason, probability_reason="no stars"
        )
    assert headline is not None
    energy_wh, spread = headline.energy_wh, headline.summary.spread()
    probabilities = uncertainty_wh = None
    reason = ""
    if spread is None:
        reason = "one run only"
    elif scale.error is None:
        reason = f"{scale.name} states no uncertainty"
    else:
        probabilities, uncertainty_wh = star_chances(
            energy_wh, spread, StarRange(scale.range_wh, scale.error)
        )
    return Rating(
        headline,
        departures,
        stars=stars_for(energy_wh, *scale.range_wh),
        kind=scale.kind,
        scale=scale.name,
        cohort_size=scale.size,
        probabilities=probabilities,
        uncertainty_wh=uncertainty_wh,
        probability_reason=reason,
        reference=scale.reference,
    )
