"""The score of a screen: a measurement of chosen queries, from which that of all is predicted.

Its runs are blocks of queries. The score is predicted from their energies and from what was known
of all queries before anything ran (`screening`); whoever has the file can do so again.
"""

from collections.abc import Iterator, Sequence

from energyscore.base.stats import Summary
from energyscore.results.parts import Caution, Run
from energyscore.results.screen_part import ScreenPart
from energyscore.results.screening import Prediction, ScreenBlock, estimate

ERROR = 0.05
TOO_FEW = "the blocks are too few, or took none, to predict the whole workload from"
_ROUNDING = 1e-6


def block_of(run: Run, energy_j: float) -> ScreenBlock:
    """A run of a screen as the estimate takes it: of one pass over its queries."""
    assert run.block is not None
    return ScreenBlock(run.block.features, energy_j / run.passes, run.block.certain)


def of_a_pass(screen: ScreenPart, runs: Sequence[Run], amounts: Sequence[float]) -> float:
    """Seconds, joules or tokens of one pass over all queries, from those of each block."""
    each = {amount / run.queries for run, amount in zip(runs, amounts, strict=True)}
    blocks = [block_of(run, amount) for run, amount in zip(runs, amounts, strict=True)]
    found = estimate(blocks, screen.population.features) if len(each) > 1 else None
    if found is not None:
        return found.mean
    return sum(amounts) / sum(run.queries for run in runs) * screen.queries


def predict(
    runs: Sequence[Run], energies_j: Sequence[float], screen: ScreenPart
) -> Prediction | None:
    """The energy of 1,000 queries in Wh, from the joules of each block; None: too few of them."""
    blocks = [block_of(run, energy_j) for run, energy_j in zip(runs, energies_j, strict=True)]
    found = estimate(blocks, screen.population.features)
    return found and found.times(1000 / 3600 / screen.queries)


def claimed_half_width(found: Prediction, screen: ScreenPart) -> float:
    """Half of the interval that may be claimed after the looks that it took."""
    return max(found.half_width(screen.error), screen.least_half_width or 0.0)


def summary_of(found: Prediction, screen: ScreenPart) -> Summary:
    """It as if it were the mean of repeats whose interval is the one that may be claimed."""
    return found.as_repeats(claimed_half_width(found, screen))


def screen_cautions(screen: ScreenPart | None) -> list[Caution]:
    """What whoever reads its figure must know."""
    if screen is None:
        return []
    message = f"a screen: {screen.share:.2%} of the work was measured, and the rest predicted"
    if screen.decided:
        message += f" ({screen.reason})"
    found = [Caution(code="screened", message=message)]
    if not screen.decided:
        found.append(Caution(code="screen_open", message=screen.reason))
    return found


def screen_contradictions(
    screen: ScreenPart | None, runs: Sequence[Run], queries: int
) -> Iterator[str]:
    """A screen claims no more than its looks allow, and its blocks are of its workload."""
    blocks = [run.block for run in runs if run.block is not None]
    if screen is None:
        if blocks:
            yield "screen: it is null, but runs are blocks of a screen"
        return
    if len(blocks) < len(runs):
        yield "screen: some of its runs are no blocks"
        return
    if screen.queries != queries:
        yield f"screen.queries: it is {screen.queries}, but the workload has {queries}"
    if screen.beaten and (screen.decided or screen.beaten_by is None):
        yield "screen.beaten: it is true, but it was decided, or there is nothing that beats it"
    if screen.target is None or screen.beaten:
        most = ERROR / 2**screen.looks
        if screen.error > most * (1 + _ROUNDING):
            yield f"screen.error: it is {screen.error:g}, but {screen.looks} looks leave {most:g}"
    elif screen.error > ERROR:
        yield f"screen.error: it is {screen.error:g}, and intervals miss in {ERROR:g} of cases"
    if screen.target and screen.looks > 1 and (screen.least_half_width or 0.0) < screen.target:
        yield "screen.least_half_width: after a first look no less than the target is claimed"
    for run, block in zip(runs, blocks, strict=True):
        if len(block.queries) * run.passes != run.queries:
            yield f"runs.{run.index}.block.queries: it has {len(block.queries)}, not {run.queries}"
        if max(block.queries, default=0) >= queries:
            yield f"runs.{run.index}.block.queries: the workload has {queries}"
