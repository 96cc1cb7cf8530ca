"""Why a result has no stars, before it is asked what they would be relative to. Pure."""

from typing import Literal

from energyscore.judge.figures import metered_of
from energyscore.results.checks import TOO_BUSY, TOO_BUSY_CODE, why_not_of_model
from energyscore.results.result import Result

NoStars = (
    Literal["invalid", "shared_gpu", "other_device", "departs", "no_energy", "too_busy"]
    | Literal["too_few_models", "no_spread", "no_task"]
)
"""Why a result has no stars. `departs`: from the protocol of the reference that was asked for;
`too_busy`: an estimate made while others worked; `too_few_models` and `no_spread`: its cohort
cannot rate it; `no_task`: it is a function's."""


def why_unratable(result: Result) -> str:
    """Why a result may have no stars, whatever they would be relative to; empty when it may."""
    return unratable(result)[1]


def why_no_figure(result: Result) -> str:
    """Why nothing can be compared with a result; empty when it may be rated and has an energy."""
    if (reason := why_unratable(result)) or metered_of(result) is not None:
        return reason
    return f"no energy was measured: {result.score.reason}"


def unratable(result: Result) -> tuple[NoStars | None, str]:
    """The same with its code; None when it may."""
    if not result.valid:
        return "invalid", f"invalid: {'; '.join(result.invalid_reasons)}"
    if result.protocol.shared and any(c.code == "contention" for c in result.cautions):
        return "shared_gpu", "other processes used the GPU (--allow-shared)"
    reason = why_not_of_model(result.protocol)
    return ("other_device" if reason else None), reason


def why_no_place(result: Result) -> tuple[NoStars | None, str]:
    """Why a result has no place in a cohort: it may not be rated, or tells of others' work."""
    code, reason = unratable(result)
    metered, busy = metered_of(result), any(c.code == TOO_BUSY_CODE for c in result.cautions)
    if code is None and busy and metered is not None and metered.estimated:
        return "too_busy", f"estimated while others used over {TOO_BUSY:.0%} of the processor"
    return code, reason
