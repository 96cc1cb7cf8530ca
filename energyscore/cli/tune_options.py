"""What `energyscore tune` is given, read and checked. Light but for what a command needs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from energyscore.base.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from energyscore.measurement.options import RunOptions
    from energyscore.measurement.tune.request import Limits
    from energyscore.protocol.model import Dtype

T = TypeVar("T")

MOST_NAMED_BATCH = 2**20
TRIAL_BUDGET_S, QUICK_BUDGET_S = 300.0, 20.0
QUICK_UNTIL = "half-width=10%"
TUNED = ("batch_size", "dtype", "quantization", "attention", "compile", "power_limit")
OWN = ("quick", "quality", "screen", "until", "budget", "official", "loading")


def read_batch_sizes(text: str) -> tuple[int, ...] | None:
    """Batch sizes in the order in which they are named; None for `auto`."""
    if text.strip().lower() == "auto":
        return None
    return _list_of("--batch-size", text, _batch_size)


def _batch_size(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= MOST_NAMED_BATCH):
        raise UsageError(
            f"--batch-size {word!r} is neither auto nor batch sizes from 1 to "
            f"{MOST_NAMED_BATCH:,}.",
            "Write such as 1,2,4.",
        )
    return int(word)


def read_dtypes(text: str | None) -> "tuple[Dtype, ...] | None":
    """Precisions; None where none are named."""
    from energyscore.protocol.model import Dtype

    return None if text is None else _list_of("--dtype", text, _among("--dtype", get_args(Dtype)))


def read_quantizations(text: str | None) -> tuple[str, ...]:
    """Ways to quantize, `none` among them; none where none are named."""
    from energyscore.protocol.model import Quantization

    known = ("none", *get_args(Quantization))
    return () if text is None else _list_of("--quantization", text, _among("--quantization", known))


def read_attentions(text: str | None) -> tuple[str, ...]:
    """Implementations of attention; none where none are named."""
    from energyscore.protocol.model import Attention

    known = get_args(Attention)
    return () if text is None else _list_of("--attention", text, _among("--attention", known))


def read_power_limits(text: str | None) -> tuple[float, ...]:
    """Limits in watts; none where none are named."""
    return () if text is None else _list_of("--power-limit", text, _watts)


def _watts(word: str) -> float:
    from energyscore.base.quantities import WATTS, read_quantity

    plain = word.isascii() and word.isdigit()
    return read_quantity("--power-limit", f"{word}W" if plain else word, WATTS, "150,200")


def _among(option: str, known: Sequence[T]) -> Callable[[str], T]:
    def read(word: str) -> T:
        for one in known:
            if one == word:
                return one
        raise UsageError(f"{option}: unknown: {word!r}.", did_you_mean(word, map(str, known)))

    return read


def _list_of(option: str, text: str, read: Callable[[str], T]) -> tuple[T, ...]:
    """What is named in a list with commas, each once."""
    found: list[T] = []
    for word in text.split(","):
        if not word.strip():
            raise UsageError(f"{option} {text[:40]!r} has an empty place.", "Write such as 1,2,4.")
        one = read(word.strip())
        if one in found:
            raise UsageError(f"{option} {text[:40]!r} names {one} twice.", "Name it once.")
        found.append(one)
    return tuple(found)


def read_limits(latency: str | None, memory: str | None, loss: str | None) -> "Limits":
    """What settings must keep to."""
    from energyscore.base.quantities import BYTES, SECONDS, SHARE, read_quantity
    from energyscore.measurement.tune.request import Limits

    def read(option: str, text: str | None, units: dict[str, float], example: str) -> float | None:
        if text is None:
            return None
        value = read_quantity(option, text, units, example)
        if value <= 0 and units is not SHARE:
            raise UsageError(f"{option} {text}: nothing keeps to it.", f"Write such as {example}.")
        return value

    share = read("--max-quality-loss", loss, SHARE, "1%")
    if share is not None and share >= 1:
        raise UsageError(f"--max-quality-loss {loss} allows any quality.", "Write such as 1%.")
    return Limits(
        read("--max-latency", latency, SECONDS, "2s"),
        read("--max-memory", memory, BYTES, "20GB"),
        share,
    )


def read_budget(text: str | None) -> float | None:
    """Seconds; None without one."""
    from energyscore.base.quantities import SECONDS, read_quantity

    if text is None:
        return None
    seconds = read_quantity("--budget", text, SECONDS, "30m")
    if seconds <= 0:
        raise UsageError(f"--budget {text} is no time to tune in.", "Write such as 30m.")
    return seconds


def options_of_trials(
    given: "RunOptions", limits: "Limits", *, quick: bool, full: bool
) -> "RunOptions":
    """What all trials have in common, with what `--set` gives."""
    from energyscore.measurement.options import RunOptions

    if quick and full:
        raise UsageError("--quick and --full are given.", "Give one of both.")
    named = given.given()
    if wrong := [name for name in TUNED if name in named]:
        flag = f"--{wrong[0].replace('_', '-')}"
        raise UsageError(f"--set {wrong[0]}: it is tuned.", f"Name its values with {flag}.")
    if wrong := [name for name in OWN if name in named]:
        raise UsageError(f"--set {wrong[0]}: tune sets it itself.", "Leave it out.")
    if not full and (wrong := [name for name in ("repeats", "half_width") if name in named]):
        raise UsageError(
            f"--set {wrong[0]} is for whole runs, and trials are screens.", "Add --full to it."
        )
    if given.reasoning and len(given.reasoning) > 1:
        raise UsageError("--set reasoning: several modes are named.", "Tune each by itself.")
    own: dict[str, Any] = {} if limits.quality_loss is None else {"quality": True}
    if not full:
        own |= {"screen": True, "budget": QUICK_BUDGET_S if quick else TRIAL_BUDGET_S}
    if quick:
        own |= {"quick": True, "until": QUICK_UNTIL}
    return RunOptions.model_construct(**own).over(given)
