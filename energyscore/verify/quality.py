"""The quality of answers, recomputed from what it is made of; the answers are not in a bundle."""

import math

from energyscore.verify.examined import ExaminedResult
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds

_SHARES = ("accuracy", "squad_f1", "rougeL", "exact_match", "mAP")
BOUNDS = {
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    "spearman": (-1.0, 1.0),
    "clip_score": (0.0, 100.0),
    "wer": (0.0, math.inf),
    "bits_per_byte": (0.0, math.inf),
}
_LESS_IS_BETTER = ("wer", "bits_per_byte")
_ENOUGH_ROWS = 20
"""From so many on an interval is about as wide as its standard error says."""


def check_quality(it: ExaminedResult) -> Finds:
    """The value follows from the items and lies where the metric can, and in its interval."""
    quality = it.result.quality
    if quality is None:
        yield NOT_APPLICABLE
        return
    value, interval = quality.value, quality.ci95
    if value is None:
        yield Derived("whether a quality that is null has a reason", bool(quality.reason), True)
        yield Derived("its interval", interval, None)
        yield Derived("its items", quality.items, None)
        return
    yield Derived("the reason for no quality", quality.reason, "")
    if it.result.model.weights == "random":
        yield "there is a quality of random weights"
    if quality.metric in BOUNDS:
        said = f"whether more {quality.metric} is better"
        yield Derived(said, quality.higher_is_better, quality.metric not in _LESS_IS_BETTER)
    least, most = BOUNDS.get(quality.metric, (-math.inf, math.inf))
    for figure in (value, *(interval or ())):
        if not least <= figure <= most:
            yield f"{quality.metric} is never {figure:.7g}"
    if interval is not None and interval[0] > interval[1]:
        yield "the interval of the quality ends before it begins"
    if quality.n < 1:
        yield "there is a quality of no query"
    if quality.items is None:
        return
    yield Derived("the number of the quality's items", len(quality.items), quality.n)
    if any(len(one) != 2 or one[1] < 0 for one in quality.items):
        yield "an item of the quality is not a part with its weight"
        return
    slack = 1e-6 * max(1.0, abs(value))
    if quality.metric in BOUNDS and any(
        not weight * least - slack <= part <= (weight * most if most < math.inf else most) + slack
        for part, weight in quality.items
    ):
        yield f"an item of the quality is beyond all {quality.metric}"
    weights = sum(weight for _, weight in quality.items)
    parts = sum(part for part, _ in quality.items)
    yield Derived("the quality", value, parts / weights if weights else None)
    if interval is None:
        return
    if not interval[0] - slack <= value <= interval[1] + slack:
        yield "the quality lies outside its interval"
    if len(quality.items) >= _ENOUGH_ROWS and weights:
        error = math.hypot(*(part - value * weight for part, weight in quality.items)) / weights
        if interval[1] - interval[0] < 1.96 * error:  # half of what it should be
            yield "the interval of the quality is far narrower than its items spread"
