"""Names of models in one view: those that share a name are told apart by their revision. Pure."""

from collections.abc import Collection, Sequence

from energyscore.results.result import Result

_LENGTHS = (8, 16, 32, 64)


def with_mode(name: str, mode: str | None) -> str:
    """A model for people, with the mode of reasoning that it was asked for, if any."""
    return name if mode is None else f"{name} (reasoning {mode})"


def label_of(result: Result, name: str = "") -> str:
    """The model of a result for people, with its mode; `name`: what it is called there."""
    return with_mode(name or result.model.id, result.mode)


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


def _digest(revision: str | None) -> str:
    return (revision or "").removeprefix("sha256:")


def _length(digests: Collection[str]) -> int | None:
    """So many characters tell them apart; None: only all of them do."""
    enough = (n for n in _LENGTHS if len({digest[:n] for digest in digests}) == len(digests))
    return next(enough, None)
