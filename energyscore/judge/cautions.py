"""Which cautions whoever reads a figure must know. Pure.

Tables, `compare` and `gate` ask here: a figure of a quick run, of random weights or of a busy
machine is not shown, or decided on, without saying so.
"""

from energyscore.judge.figures import metered_of
from energyscore.protocol.official_method import method_of
from energyscore.protocol.quick import SHORT
from energyscore.results.parts import Caution
from energyscore.results.result import Result

_BRIEF_S = 1.0
_NOT_OF_THE_FIGURE = frozenset(("resumed",))
"""Codes of cautions that tell how a result came about and change no figure."""

BRIEF = "a run lasted less than 1 s, so starting and metering distort it; use more queries"
QUICK = f"a quick run: {SHORT}, so it repeats worse than a whole one"


def is_block(result: Result) -> bool:
    """Whether it is of a block of code: one window, that nothing was planned for."""
    return result.of_function and any(one.code == "one_window" for one in result.cautions)


def is_quick(result: Result) -> bool:
    """Whether it is of a run that was asked to be quick."""
    return result.protocol.quick and not is_block(result)


def cautions_on(result: Result) -> list[Caution]:
    """The cautions that bear on the figure of a result, each once."""
    found = [one for one in result.cautions if one.code not in _NOT_OF_THE_FIGURE]
    if is_quick(result):
        found.append(Caution(code="quick", message=QUICK))
    shortest_s = min(run.duration_s for run in result.runs)
    # What is measured from Python says so itself.
    if metered_of(result) is not None and shortest_s < _BRIEF_S and not result.of_function:
        found.append(Caution(code="brief", message=BRIEF))
    if drawn := _drawn(result):
        found.append(Caution(code="sampled", message=drawn))
    return list({one.message: one for one in found}.values())


def _drawn(result: Result) -> str:
    """What the energy of answers that were drawn depends on; empty where none were."""
    made, runs = result.workload.generation or {}, result.runs
    if method_of(made) != "v2":
        return ""
    written = [run.output_tokens for run in runs if run.output_tokens is not None]
    mean = ""
    if len(written) == len(runs):
        mean = f", {sum(written) / sum(run.queries for run in runs):.1f} tokens each on average"
    return (
        f"answers were drawn at temperature {made['temperature']}{mean}: the energy of a query "
        "goes by their length, and other draws have others"
    )
