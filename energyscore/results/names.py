"""Names of results in one view: those that share a model's name are told apart by what differs.

First by the revision, then by the settings in which they were measured. Pure.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from energyscore.results.model_part import ModelPart
from energyscore.results.result import Result

_LENGTHS = (8, 16, 32, 64)
_DAY, _SECOND = 10, 19  # characters of a time as results have it
_WORDS = {
    "random_weights": "random weights",
    "dtype": "{}",
    "quantization": "{}",
    "attention": "{} attention",
    "compile": "compiled",
    "by": "by {}",
    "batch_size": "batch {:,}",
    "threads": "threads {:,}",
    "dataset": "{}",
    "queries": "queries {:,}",
    "max_new_tokens": "at most {:,} tokens",
    "temperature": "sampled at {}",
    "quick": "quick",
    "screen": "screened",
    "device": "{}",
    "power_limit_w": "{} W",
}


@dataclass(frozen=True)
class ShownName:
    """What a result is called among others: `ckpt @1a2b3c4d`, `batch 8, float16`."""

    model: str
    setting: str


def with_details(name: str, *details: str | None) -> str:
    """A name for people, and behind it what must be known of it: `org/a (reasoning off)`."""
    known = ", ".join(filter(None, details))
    return f"{name} ({known})" if known else name


def mode_of(mode: str | None) -> str:
    """The mode of reasoning that a model was asked for, for people; empty for none."""
    return "" if mode is None else f"reasoning {mode}"


def under(result: Result) -> str:
    """The mode and the load of a result, for people; empty for neither."""
    load = result.load.words if result.load else None
    return ", ".join(filter(None, (mode_of(result.mode), load)))


def label_of(result: Result, name: str = "", setting: str = "") -> str:
    """The model of a result for people, with its mode and load; `name`: what it is called there."""
    return with_details(name or result.model.id, under(result), setting)


def names_in_view(results: Sequence[Result]) -> list[ShownName]:
    """What each result is called among the others: as short as tells them apart."""
    models = tell_apart([(one.model.id, one.model.revision) for one in results])
    tasks = [(one.task.id, one.model.id, under(one)) for one in results]
    settings = tell_settings_apart(tasks, list(map(settings_of, results)))
    rest = tell_settings_apart(
        [*zip(tasks, models, settings, strict=True)], list(map(_rest_of, results)), fewest=True
    )
    return [
        ShownName(model, ", ".join(filter(None, said)))
        for model, *said in zip(models, settings, rest, strict=True)
    ]


def tell_apart(models: Sequence[tuple[str, str | None]]) -> list[str]:
    """What each model is called among the others: `ckpt @1a2b3c4d` where `ckpt` would be two.

    Of each the name and the revision (a commit, or the digest of a folder) are given. A name that
    is of one revision only stays as it is, and so does one whose revision is not known.
    """
    revisions: dict[str, set[str]] = {}
    for name, revision in models:
        revisions.setdefault(name, set()).add(_digest(revision))
    lengths = {name: _length(found) for name, found in revisions.items() if len(found) > 1}
    return [
        f"{name} @{_digest(revision)[: lengths[name]]}" if name in lengths and revision else name
        for name, revision in models
    ]


def tell_settings_apart(
    groups: Sequence[Hashable], settings: Sequence[Mapping[str, str]], *, fewest: bool = False
) -> list[str]:
    """Of each result the settings in which it differs from others of its group.

    `fewest`: only as many of them as tell the group's results apart, the first ones first.
    """
    members: dict[Hashable, list[Mapping[str, str]]] = {}
    for group, one in zip(groups, settings, strict=True):
        members.setdefault(group, []).append(one)
    named = {group: _differing(alike, fewest=fewest) for group, alike in members.items()}
    return [_said(one, named[group]) for group, one in zip(groups, settings, strict=True)]


def ways_of(model: ModelPart) -> list[str]:
    """How a model ran, where it was not as it does by itself: `eager attention`, `compiled`."""
    return list(settings_in_words(_runtime_of(model)).values())


def _runtime_of(model: ModelPart) -> dict[str, object]:
    return {
        "attention": None if model.has_own_attention else model.attention,
        "compile": model.compiled,
    }


def settings_of(result: Result) -> dict[str, str]:
    """The settings that may set results of one model apart, in words."""
    model, work, protocol = result.model, result.workload, result.protocol
    limits_w = {gpu.power_limit_w for gpu in result.environment.gpus if gpu.power_limit_w}
    said = {
        "random_weights": model.weights == "random",
        "dtype": model.dtype,
        "quantization": model.quantization,
        **_runtime_of(model),
        "by": work.by,
        "batch_size": work.batch_size,
        "threads": (protocol.threads or {}).get("intra_op"),
        "dataset": f"{work.dataset} {work.selection or ''}".strip(),
        "queries": work.queries,
        "max_new_tokens": (work.generation or {}).get("max_new_tokens"),
        "temperature": (work.generation or {}).get("temperature"),
        "quick": protocol.quick,
        "screen": result.screen is not None,
        "device": result.hardware,
        "power_limit_w": " and ".join(f"{limit:g}" for limit in sorted(limits_w)),
    }
    return settings_in_words(said)


def _rest_of(result: Result) -> dict[str, str]:
    """What tells results of one setting apart."""
    return {
        "seed": f"seed {result.workload.seed}",
        "queries": f"queries {result.workload.fingerprint[: _LENGTHS[0]]}",
        "day": result.created_at[:_DAY],
        "second": result.created_at[:_SECOND].replace("T", " "),
    }


def settings_in_words(said: Mapping[str, object]) -> dict[str, str]:
    """Settings by the names of the options that ask for them, as far as they were said."""
    return {
        name: words.format(value)
        for name, words in _WORDS.items()
        if (value := said.get(name)) not in (None, False, "", "auto", "none")
    }


def _differing(alike: Sequence[Mapping[str, str]], *, fewest: bool) -> list[str]:
    """The names of the settings that are not the same in all."""
    if len(alike) < 2:
        return []
    names = dict.fromkeys(name for one in alike for name in one)
    differ = [name for name in names if len({one.get(name, "") for one in alike}) > 1]
    if not fewest:
        return differ
    enough = (n for n in differ if len({one.get(n, "") for one in alike}) == len(alike))
    return [next(enough, name) for name in differ[-1:]]


def _said(settings: Mapping[str, str], names: Sequence[str]) -> str:
    return ", ".join(filter(None, (settings.get(name, "") for name in names)))


def _digest(revision: str | None) -> str:
    return (revision or "").removeprefix("sha256:")


def _length(digests: Collection[str]) -> int | None:
    """So many characters tell them apart; None: only all of them do."""
    enough = (n for n in _LENGTHS if len({digest[:n] for digest in digests}) == len(digests))
    return next(enough, None)
