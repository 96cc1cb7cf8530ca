"""Whether the recorded phases are those of the queries: as many, in their order, none too short.

Whoever divides one stretch of work into several has more queries for the same energy. What gives
that away is what the parts lack: preparation, the order of phases, and time.
"""

import math
from collections.abc import Sequence

from energyscore.verify.examined import RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Finds
from energyscore.verify.work import least_prefills_s, least_s, usual_s

SHORT_SHARE = 0.1  # of answers of equal length none takes less than this share of the usual time
HURRIED = 0.05  # of the stretches may be shorter than is plausible: a clock may be read late
HELD_UP = 0.01  # of them may have taken very long
_PREPARED = "preprocess"


def check_batches(place: RecordedRun) -> Finds:
    """Each run went through as many phases as its queries take, and through no more."""
    run, workload = place.run, place.it.result.workload
    if run.load is not None:  # a server has no batches that anybody sees
        return
    size = workload.batch_size
    # On a processor the last batch of a pass takes as much less as it is smaller.
    smallest = place.queries % size or size
    share = SHORT_SHARE * smallest / size if place.it.forced_tokens else 0.0
    batches = run.passes * -(-place.queries // size)
    entered = place.raw.phases.lengths_s
    done = {
        name: batches_of(lengths_s, share if name == "decode" else 0.0, least_s(place, name))
        for name, lengths_s in entered.items()
        if name != _PREPARED and any(lengths_s)
    }
    few = {name: count for name, count in done.items() if count < batches}
    # It is unknown whether each batch of a custom task has each phase.
    if few and (place.it.task is not None or few == done):
        name = min(few, key=lambda name: few[name])
        yield (
            f"{run.queries} queries take {batches} batches; {name} was done {few[name]} times: in "
            f"under {1e3 * least_s(place, name):.3g} ms it cannot be"
        )
    elif not done:
        yield "no phase lasted any time"
    elif place.it.task is not None:
        name = max(entered, key=lambda name: len(entered[name]))
        if len(entered[name]) > batches:
            many = f"{name} was entered {len(entered[name])} times"
            yield f"{run.queries} queries take {batches} batches; {many}"


def check_order(place: RecordedRun) -> Finds:
    """Each pass prepares all its queries anew, and takes each batch through the same phases."""
    entered, passes = list(place.raw.phases.entered), place.run.passes
    if place.it.task is None or place.run.load is not None:  # nobody knows how it goes
        yield NOT_APPLICABLE
        return
    one = entered[: len(entered) // passes]
    prepared = place.raw.phases.names.index(_PREPARED) if one else 0
    if one * passes != entered or entered[0] != prepared:
        yield f"{passes} passes over the same queries do not have their phases in one order"
        return
    work = [phase for phase in one if phase != prepared]
    batch = list(dict.fromkeys(work))
    if work != batch * (len(work) // max(1, len(batch))):
        yield "not each batch has its phases in the same order"
    lengths_s = place.raw.phases.lengths_s[_PREPARED]
    each = len(lengths_s) // passes
    took_s = [sum(lengths_s[first : first + each]) for first in range(0, len(lengths_s), each)]
    if min(took_s) < SHORT_SHARE * usual_s(took_s):
        yield (
            f"one pass was prepared in {min(took_s):.3g} s, others over the same queries took "
            f"{usual_s(took_s):.3g} s"
        )


def check_pace(place: RecordedRun) -> Finds:
    """Passes through the model take plausible times beside each other, and beside its steps."""
    lengths_s = place.raw.phases.lengths_s
    if place.run.load is not None:
        yield NOT_APPLICABLE
        return
    least = {"prefill": least_prefills_s(place)}
    if place.it.result.protocol.device == "cuda" and place.it.result.workload.official:
        # A GPU starts and reads as much for a short text, and the official ones are alike enough.
        for name in ("prefill", "forward", "call"):
            rising = sorted(lengths_s.get(name, ()))
            kept = rising[: -math.ceil(HELD_UP * len(rising)) or None]
            least[name] = max(least.get(name, 0.0), SHORT_SHARE * usual_s(kept))
    for name, least_one_s in least.items():
        found = lengths_s.get(name, ())
        hurried = sum(length_s < least_one_s for length_s in found)
        if hurried > max(1.0, HURRIED * len(found)):
            yield (
                f"{hurried} of {len(found)} times {name} took less than {1e3 * least_one_s:.3g} "
                "ms: too little beside the others, and beside a step of decoding"
            )


def batches_of(lengths_s: Sequence[float], share: float, least_s: float) -> int:
    """How many batches went through a phase, given how long it lasted each time.

    A stretch of less than `least_s`, or less than `share` of the usual time, is not a batch.
    """
    shortest_s = max(least_s, share * usual_s(lengths_s))
    return sum(length_s >= shortest_s for length_s in lengths_s)
