"""The five strategies of efficient AI for one service, a paragraph each. Pure.

Every sentence with a figure of an estimate says so; what is not known is told as missing.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from energyscore.base.errors import sentence
from energyscore.base.stats import inverted
from energyscore.base.units import counted
from energyscore.judge.advice.advise import Advice
from energyscore.judge.advice.commands import MeasureCommand, run_command, tune_command
from energyscore.judge.advice.days import Days
from energyscore.judge.advice.states import state_of
from energyscore.judge.advice.steps import WayStep, quality_change
from energyscore.judge.contenders import Contender, effect_between
from energyscore.judge.effect import Effect
from energyscore.publish import family, margins, schedule, wording
from energyscore.publish.choice_cells import REPORTED, difference
from energyscore.publish.command_line import command_line

Strategy = Literal["right_size", "conservative_default", "hardware", "transparency", "less_compute"]

_MOST_ALIKE = 2

TITLES: dict[Strategy, str] = {
    "right_size": "Right-size the model",
    "conservative_default": "Make the conservative choice the default",
    "hardware": "Use the hardware well",
    "transparency": "Be transparent",
    "less_compute": "Question more compute",
}


@dataclass(frozen=True)
class Paragraph:
    """What a strategy comes to here.

    `ratio` is the energy with it over that without; None where it saves nothing that was measured.
    `check` is the command that shows the figures again, or measures them anew.
    """

    strategy: Strategy
    sentences: list[str]
    ratio: float | None = None
    ci95: tuple[float, float] | None = None
    files: tuple[str, ...] = ()
    check: str = ""


def paragraphs_of(advice: Advice, paths: Sequence[str] = ("results",)) -> list[Paragraph]:
    """The five, in their order; `paths` are the files and folders that the commands name."""
    best = advice.recommended
    if best is None:
        return []
    choosing = _choosing(advice, paths)
    return [
        _right_size(advice, best, choosing),
        _conservative(advice, best),
        _hardware(advice, best, paths),
        _transparency(best),
        _less_compute(advice, best, choosing),
    ]


def _choosing(advice: Advice, paths: Sequence[str]) -> str:
    """The command that chooses by the same requirements."""
    asked, judged = advice.question.requirements, [it.candidate for it in advice.choice.judged]
    loss = asked.quality_loss
    own = {one.entry.result.quality.metric for one in judged if one.entry.result.quality}
    reported = dict.fromkeys(one.reported for one in judged if one.reported)
    metric = advice.choice.metric
    given = [
        ("--min-quality", None if asked.quality is None else f"{asked.quality:.12g}"),
        ("--max-quality-loss", None if loss is None else f"{loss * 100:.12g}%"),
        ("--max-latency", None if asked.latency_s is None else f"{asked.latency_s:.12g}s"),
        ("--quality-metric", metric if reported or (metric and own != {metric}) else None),
        *(("--quality-from", file) for file in reported),
    ]
    said = [word for option, value in given if value for word in (option, value)]
    among = paths if advice.all_judged else [one.entry.file for one in judged]
    return shlex.join(["energyscore", "choose", *among, "--task", advice.task, *said])


def _right_size(advice: Advice, best: Contender, choosing: str) -> Paragraph:
    steps = [step for step in advice.steps if "model" in step.changes]
    said = [_step(step) for step in steps]
    if not steps:
        models = {one.candidate.entry.name for one in advice.choice.judged}
        alone = (
            "the only model that was measured and can be compared"
            if len(models) == 1
            else "today's choice, and none that was measured meets the requirements with less"
        )
        said.append(f"{best.entry.name} is {alone}.")
    largest = advice.largest
    if steps and state_of(largest).model != state_of(advice.today).model:
        said.append(f"Against the largest candidate, as each was measured: {_told(largest, best)}.")
    said += _not_told_apart(advice, best)
    sources = dict.fromkeys(
        it.candidate.reported for it in advice.choice.judged if it.candidate.reported
    )
    said += [sentence(f"Quality is {REPORTED}: {', '.join(sources)}")] if sources else []
    for one in advice.choice.families:
        said += family.words_of(one)
    return _paragraph("right_size", said, steps, choosing)


def _not_told_apart(advice: Advice, best: Contender) -> list[str]:
    """Other models that meet the requirements, and may need as little."""
    alike = [
        one
        for one in advice.choice.others
        if one.other.meets and one.effect.significant is False
        and state_of(one.other.candidate).model != state_of(best).model
    ]  # fmt: skip
    return [sentence(_told(one.other.candidate, best)) for one in alike[:_MOST_ALIKE]]


def _conservative(advice: Advice, best: Contender) -> Paragraph:
    """Modes of reasoning: what thinking costs, and what it brings."""
    steps = [step for step in advice.steps if step.changes[0] == "mode"]
    check = ""
    said = [_step(step) for step in steps]
    if steps:
        check = _measuring(run_command, steps[-1].after)
    elif best.entry.result.mode is None:
        said = ["The task asks for no reasoning: there is no mode to choose."]
    else:
        others = [
            one.candidate
            for one in advice.choice.judged
            if (state := state_of(one.candidate)).model == state_of(best).model
            and state.settings == state_of(best).settings
            and one.candidate is not best
        ]
        said = [sentence(_told(other, best)) for other in others]
        said = said or [f"No other mode of {best.entry.name} was measured with these settings."]
        check = _measuring(run_command, best) if others else ""
    return _paragraph("conservative_default", said, steps, check)


def _measuring(command: Callable[[Contender], MeasureCommand], one: Contender) -> str:
    """The command that measures it anew; empty where no command loads what was measured."""
    result = one.entry.result
    return "" if result.of_server or result.of_function else line_of(command(one))


def _hardware(advice: Advice, best: Contender, paths: Sequence[str]) -> Paragraph:
    """Settings, and when the model is loaded."""
    steps = [step for step in advice.steps if step.changes == ("settings",)]
    said = [_step(step) for step in steps]
    if not any("settings" in step.changes for step in advice.steps):
        said.append(
            f"The settings of {best.entry.label} stay as they are{_settings_known(advice)}."
        )
    check = _measuring(tune_command, best)
    if best.entry.result.of_server:
        said.append("Each load on a server is a choice of its own: `choose` compares them.")
        check = shlex.join(["energyscore", "choose", *paths, "--task", advice.task])
    if not said:
        said.append(
            "What the settings save by themselves was not measured: they are in a step above."
        )
    days = advice.days[-1] if advice.days else None
    if days is not None:
        said += schedule.answer(days.decision, days.measured, advice.question.site)
        said += _gathered(advice, days)
        rate = f"{days.decision.requests_per_hour:.12g}/h"
        wait_s = advice.question.max_wait_s
        wait = [] if wait_s is None else ["--max-wait", f"{wait_s:.12g}s"]
        sizes = sorted({it.policy.batch for it in days.decision.figures if it.policy.batch})
        gather = [word for size in sizes for word in ("--gather", str(size))]
        files = [entry.file for entry in days.measured.entries]
        check = shlex.join(
            [
                "energyscore",
                "schedule",
                *files,
                "--requests",
                rate,
                *wait,
                *gather,
                *_of_site(advice),
            ]
        )
        said += [f"Caution: {text}" for text in schedule.cautions_of(days.measured)]
    return _paragraph("hardware", said, steps, check)


def _of_site(advice: Advice) -> list[str]:
    """The options of CO2 and cost, as they were given."""
    site = advice.question.site
    if site is None:
        return []
    price = site.price_per_kwh
    given = {
        "--country": site.country,
        "--pue": None if site.pue == 1 else f"{site.pue:.12g}",
        "--price": None if price is None else f"{price:.12g} {site.currency or ''}".strip(),
    }
    return [word for option, value in given.items() if value for word in (option, value)]


def _settings_known(advice: Advice) -> str:
    """Whether others were measured."""
    untried = any(one.piece == "settings" for one in advice.missing)
    return ": no others were measured" if untried else ", the best of those that were measured"


def _gathered(advice: Advice, days: Days) -> list[str]:
    """That what larger batches save is counted in the policy alone."""
    if days.measured.service.most == 1:
        return []
    how = "gathered" if days.best is not None and days.best.policy.gathers else "not gathered"
    wait = (
        ""
        if advice.question.max_wait_s is not None
        else " --max-wait says how long they may wait to be gathered."
    )
    return [
        "Requests come one by one, so what a larger batch saves counts only where they are "
        f"gathered; here they are {how}.{wait}"
    ]


def _transparency(best: Contender) -> Paragraph:
    entry = best.entry
    headline = entry.headline
    assert headline is not None
    energy = f"{wording.figure(entry)} Wh per 1,000 queries ({wording.metered(entry)})"
    said = [
        f"{entry.label} takes {energy}; {wording.verdict(entry.rating)}.",
        "The label shows this figure, how it was obtained, and what the stars are relative to.",
    ]
    check = shlex.join(["energyscore", "label", entry.file, "-o", "label.svg"])
    return Paragraph("transparency", said, None, None, (entry.file,), check)


def _less_compute(advice: Advice, best: Contender, choosing: str) -> Paragraph:
    """What more energy would buy."""
    better = [
        one
        for one in advice.choice.others
        if one.quality and one.quality.better_by < 0 and one.effect.ratio > 1
    ]
    if best.quality is None:
        said = [
            "Whether more compute buys anything cannot be told: the quality of "
            f"{best.entry.label} is not known."
        ]
        return Paragraph("less_compute", said, check=choosing)
    if not better:
        unknown = sum(one.quality is None for one in advice.choice.others)
        rest = f"; of {counted(unknown, 'other')} it is not known" if unknown else ""
        said = [
            f"No candidate that needs more answers better than {best.entry.label}, as "
            f"measured{rest}."
        ]
        return Paragraph("less_compute", said, check=choosing)
    # Of those that are better the one that costs least: more only pays for what it brings.
    least = min(better, key=lambda one: one.effect.ratio)
    other, quality = least.other.candidate, least.other.candidate.quality
    assert quality is not None
    assert least.quality is not None
    gain = quality_change(best, other)
    assert gain is not None
    brings = difference(quality, gain)
    said = [
        f"More quality costs: {other.entry.label} needs "
        f"{margins.factor(least.effect.ratio, least.effect.ci95)} times as much energy"
        f"{_how(best)}, {brings}."
    ]
    ends = gain.interval()
    if ends is not None and ends[0] <= 0:
        said.append("The interval of what it brings contains 0: that it is better is not shown.")
    files = (best.entry.file, other.entry.file)
    return Paragraph("less_compute", said, None, None, files, choosing)


def _paragraph(
    strategy: Strategy, said: list[str], steps: Sequence[WayStep], check: str
) -> Paragraph:
    files = dict.fromkeys(
        file for step in steps for file in (step.before.entry.file, step.after.entry.file)
    )
    one = steps[0].effect if len(steps) == 1 else None
    ratio = one.ratio if one else _product(steps)
    return Paragraph(strategy, said, ratio, one.ci95 if one else None, tuple(files), check)


def _product(steps: Sequence[WayStep]) -> float | None:
    if not steps:
        return None
    return effect_between(steps[0].before, steps[-1].after).ratio


def _step(step: WayStep) -> str:
    """A step in a sentence; of several points in one that they are not told apart."""
    together = f"{' and '.join(step.changes).capitalize()} together" if step.together else ""
    told = _told(step.before, step.after)
    return sentence(f"{together}: {told}" if together else told)


def _told(before: Contender, after: Contender) -> str:
    """`a needs 23 (22 to 24) times less energy than b (estimated), 0.4 points less accurate`."""
    names = after.entry.label, before.entry.label
    effect = effect_between(after, before)
    word = "less"
    if effect.ratio < 1:
        effect, word = _turned(effect), "more"
    times = margins.factor(effect.ratio, effect.ci95)
    no_ends = "" if effect.ci95 else ", no interval"
    how = f" ({'estimated' if after.entry.rating.estimated else 'measured'}{no_ends})"
    if effect.significant is False:
        said = (
            f"It is undecided whether {names[0]} needs {word} energy than {names[1]}: {times} "
            f"times{how}, and the interval contains 1"
        )
    else:
        said = f"{names[0]} needs {times} times {word} energy than {names[1]}{how}"
    gain = quality_change(before, after)
    beside = "" if gain is None or after.quality is None else difference(after.quality, gain)
    return f"{said}, {beside}" if beside else said


def _turned(effect: Effect) -> Effect:
    ends = inverted(effect.ci95)
    return Effect(1 / effect.ratio, ends, effect.p_value, -effect.difference, None)


def _how(one: Contender) -> str:
    return " (estimated)" * one.entry.rating.estimated


def line_of(command: MeasureCommand) -> str:
    """A command as people type it."""
    return command_line(command.task, command.model, command.options, command.name)
