"""What a measured result is of: the model, its mode of reasoning, and the settings. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from energyscore.judge.comparability import Condition
from energyscore.judge.contenders import Contender
from energyscore.protocol.task import load_tasks

Point = Literal["model", "mode", "settings"]
POINTS: tuple[Point, ...] = ("model", "mode", "settings")

_SETTINGS = ("precision", "quantization", "attention", "compile", "batch_size")
_LEAST_LIKELY = ("compile", "quantization", "attention")
_BY_ITSELF = ("default", "on", "high", "medium", "low", "off")
"""How a model reasons that is not told to: the first of these that it was measured in."""

Settings: TypeAlias = tuple[Condition, ...]


@dataclass(frozen=True)
class State:
    """What a result is of, as far as it may be chosen."""

    # Name, revision, by a head or by writing, and how its own weights are quantized.
    model: tuple[str, str | None, Condition, Condition]
    mode: str
    settings: Settings

    def differs(self, other: "State") -> tuple[Point, ...]:
        """In which points two are unlike."""
        return tuple(point for point in POINTS if getattr(self, point) != getattr(other, point))

    def moved(self, points: Iterable[Point], to: "State") -> "State":
        """The same with these points of another one."""
        mine = {point: getattr(to if point in set(points) else self, point) for point in POINTS}
        return State(**mine)


def state_of(one: Contender) -> State:
    """What a candidate is of."""
    model = one.entry.result.model
    known = one.entry.conditions
    own = () if model.quantized_on_load else known.get("quantization", ())
    of = model.id, model.revision, known.get("by", ()), own
    return State(of, one.entry.result.mode or "none", settings_of(one))


def settings_of(one: Contender, *, without: Sequence[str] = ()) -> Settings:
    """The conditions that are settings, but for those left out.

    How a checkpoint is quantized is no setting: it is another model.
    """
    known = one.entry.conditions
    if one.entry.result.model.quantized_on_load is None:
        known = known | {"quantization": ()}
    return tuple(known.get(name, ()) for name in _SETTINGS if name not in without)


def one_by_one(candidates: Sequence[Contender]) -> list[Contender]:
    """Of results that differ in their batch size alone that of the smallest one.

    Requests that come one after another are not gathered by themselves: what a larger batch saves
    is not theirs. `schedule` tells what gathering them comes to.
    """
    least: dict[object, Contender] = {}
    for one in candidates:
        state = state_of(one)
        key = state.model, state.mode, settings_of(one, without=("batch_size",))
        known = least.get(key)
        if known is None or _batch(one) < _batch(known):
            least[key] = one
    kept = set(map(id, least.values()))
    return [one for one in candidates if id(one) in kept]


def _batch(one: Contender) -> int:
    return one.entry.result.workload.batch_size


def as_by_itself(candidates: Sequence[Contender]) -> Contender:
    """That of one model's results which is nearest to what it does when nothing is asked for.

    Its mode is that in which it reasons by itself. Its settings are neither compiled, quantized nor
    of another attention, where one such was measured; then of the task's own batch size, else of
    the smallest.
    """
    task = load_tasks().get(candidates[0].entry.result.task.id)
    usual = task.spec.batch_size if task is not None else 1

    def rank(one: Contender) -> tuple[int, int, bool, int, float]:
        mode = one.entry.result.mode or "default"
        changed = sum(_is_changed(one, name) for name in _LEAST_LIKELY)
        return (
            _BY_ITSELF.index(mode),
            changed,
            _batch(one) != usual,
            _batch(one),
            -one.energy_wh,
        )

    return min(candidates, key=rank)


def _is_changed(one: Contender, name: str) -> bool:
    """Whether a setting is not as the model has it by itself."""
    model = one.entry.result.model
    return {
        "compile": bool(model.compiled),
        "quantization": model.quantized_on_load is not None,
        "attention": not model.has_own_attention,
    }[name]


def by_state(candidates: Iterable[Contender]) -> Mapping[State, Contender]:
    """The results at hand by what they are of."""
    return {state_of(one): one for one in candidates}
