"""Advice in the form that is published: the figures of its steps, its waterfall and its year."""

from collections.abc import Sequence

from energyscore.base.units import format_duration
from energyscore.judge.advice.advise import Advice
from energyscore.judge.advice.days import Days, floor_wh_between, ratio_of_days
from energyscore.judge.advice.steps import WayStep
from energyscore.judge.contenders import Contender, effect_between
from energyscore.judge.schedule.arrivals import DAYS_A_YEAR
from energyscore.judge.schedule.decision import PolicyFigures
from energyscore.publish.advice import missing as pieces
from energyscore.publish.advice.form import (
    AdviceBar,
    AdviceChoice,
    AdviceLeast,
    AdviceLeftOut,
    AdviceMissing,
    AdviceReport,
    AdviceStep,
    AdviceStrategy,
    AdviceYear,
    Change,
)
from energyscore.publish.advice.words import TITLES, paragraphs_of
from energyscore.publish.choice_words import answer
from energyscore.publish.notes import ESTIMATED


def report_of(advice: Advice, paths: Sequence[str] = ("results",)) -> AdviceReport:
    """Advice in the form that is published; `paths` are what its commands name."""
    best = advice.recommended
    effect = effect_between(advice.today, best) if best is not None else None
    steps = _steps(advice)
    demand = advice.question.demand
    return AdviceReport(
        task=advice.task,
        estimated=advice.estimated,
        note=ESTIMATED if advice.estimated else "",
        requests_per_hour=demand.per_hour if demand is not None else None,
        max_wait_s=advice.question.max_wait_s,
        today=_choice(advice.today),
        recommended=_choice(best) if best is not None else None,
        reason=" ".join(answer(advice.choice)),
        ratio=effect.ratio if effect else None,
        ci95=effect.ci95 if effect else None,
        strategies=[
            AdviceStrategy(
                strategy=one.strategy,
                title=TITLES[one.strategy],
                text=one.sentences,
                ratio=one.ratio,
                ci95=one.ci95,
                files=list(one.files),
                check=one.check or None,
            )
            for one in paragraphs_of(advice, paths)
        ],
        unit="Wh a year" if _days(advice) and best is not None else "Wh per 1,000 queries",
        steps=steps,
        waterfall=_waterfall(advice),
        year=_year(advice),
        missing=[
            AdviceMissing(
                piece=one.piece,
                model=one.of.entry.label,
                text=pieces.told(one),
                command=pieces.command_of(one),
                seconds=one.seconds,
            )
            for one in advice.missing
        ],
        left_out=[
            AdviceLeftOut(file=entry.file, model=entry.label, reason=why)
            for entry, why in advice.left_out
        ],
    )


def _choice(one: Contender) -> AdviceChoice:
    headline, rating = one.entry.headline, one.entry.rating
    assert headline is not None
    return AdviceChoice(
        model=one.entry.label,
        file=one.entry.file,
        energy_wh_per_1k_queries=headline.energy_wh,
        ci95=headline.ci95,
        quality=one.quality.value if one.quality else None,
        metric=one.quality.metric if one.quality else None,
        latency_p90_s=one.latency_s,
        stars=rating.stars,
        stars_relative_to=rating.scale,
    )


def _change(step: WayStep) -> Change:
    if step.together:
        return "together"
    return "compression" if step.compressed else step.changes[0]


def _days(advice: Advice) -> list[Days] | None:
    """The days to show; none where no policy keeps to the wait: then a query's figures are."""
    days = advice.days
    return days if days and days[-1].best is not None else None


def _steps(advice: Advice) -> list[AdviceStep]:
    """The steps of the waterfall: of days where they are known, else of queries."""
    steps, days = advice.steps, _days(advice)
    found = []
    for place, step in enumerate(steps):
        ratio, ends = step.effect.ratio, step.effect.ci95
        if days:
            ratio, ends = ratio_of_days(days[place].always, days[place + 1].always)
        files = [step.before.entry.file, step.after.entry.file]
        name = step.after.entry.label
        found.append(
            AdviceStep(change=_change(step), name=name, ratio=ratio, ci95=ends, files=files)
        )
    best = days[-1].best if days else None
    if days and best is not None and best is not days[-1].always:
        ratio, ends = ratio_of_days(days[-1].always, best)
        files = [entry.file for entry in days[-1].measured.entries]
        name = best.policy.name
        found.append(AdviceStep(change="when", name=name, ratio=ratio, ci95=ends, files=files))
    return found


def _waterfall(advice: Advice) -> list[AdviceBar]:
    if advice.recommended is None:
        return []
    days = _days(advice)
    if not days:
        along = [advice.today, *(step.after for step in advice.steps)]
        return [AdviceBar(name=one.entry.label, wh=one.energy_wh) for one in along]
    bars = [
        AdviceBar(name=one.candidate.entry.label, wh=one.always.wh_per_day * DAYS_A_YEAR)
        for one in days
    ]
    best = days[-1].best
    if best is not None and best is not days[-1].always:
        bars.append(AdviceBar(name=best.policy.name, wh=best.wh_per_day * DAYS_A_YEAR))
    return bars


def _year(advice: Advice) -> AdviceYear | None:
    """A year of today's choice, always loaded, against that of the recommended one."""
    demand, best = advice.question.demand, advice.recommended
    if demand is None or best is None:
        return None
    requests = demand.per_hour * 24 * DAYS_A_YEAR
    before, after, why = _policies(advice)
    if before is not None and after is not None:
        ratio, ends = ratio_of_days(before, after)
        today_wh, later_wh = before.wh_per_day * DAYS_A_YEAR, after.wh_per_day * DAYS_A_YEAR
    else:
        effect = effect_between(advice.today, best)
        ratio, ends = effect.ratio, effect.ci95
        today_wh, later_wh = (one.energy_wh * requests / 1000 for one in (advice.today, best))
    site = advice.question.site
    return AdviceYear(
        requests=requests,
        includes="requests alone" if why else "requests, idling and loading",
        reason=why,
        today_wh=today_wh,
        recommended_wh=later_wh,
        saved_wh=today_wh - later_wh,
        ratio=ratio,
        ci95=ends,
        today_co2_g=site.co2_g(today_wh) if site else None,
        saved_co2_g=site.co2_g(today_wh - later_wh) if site else None,
        today_cost=site.cost(today_wh) if site else None,
        saved_cost=site.cost(today_wh - later_wh) if site else None,
        currency=site.currency if site else None,
        policy=after.policy.name if after and not why else None,
        least=_least(advice),
        floor_wh=None
        if why or not advice.days
        else abs(floor_wh_between(advice.days[0], advice.days[-1])) * DAYS_A_YEAR,
    )


def _least(advice: Advice) -> AdviceLeast | None:
    """The result whose year takes less than the recommended one's."""
    days = advice.least_day
    if days is None or days.best is None:
        return None
    entry, year_wh = days.candidate.entry, days.best.wh_per_day * DAYS_A_YEAR
    return AdviceLeast(model=entry.label, file=entry.file, policy=days.best.policy.name, wh=year_wh)


def _policies(advice: Advice) -> tuple[PolicyFigures | None, PolicyFigures | None, str]:
    """Today's day and the recommended one's; or why they are not known."""
    days = advice.days
    if not days:
        if any(one.piece == "days" for one in advice.missing):
            return None, None, "not measured"
        why = next((one.why for one in advice.missing if one.piece == "no_days"), "")
        return None, None, f"not known ({why.rstrip('.')})" if why else "not known"
    if days[-1].best is None:
        wait_s = advice.question.max_wait_s or 0.0
        return None, None, f"not decided, as no policy keeps to a wait of {format_duration(wait_s)}"
    return days[0].always, days[-1].best, ""
