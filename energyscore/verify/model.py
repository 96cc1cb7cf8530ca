"""Which model it is said to be: everywhere the same one, and a bundled one as the rules list it."""

import re
from collections.abc import Iterator

from energyscore.results.result import Result
from energyscore.verify.findings import Problem
from energyscore.verify.subject import Subject

_PLAIN = re.compile(r"[A-Za-z0-9.]")
_MOST = 80


def check_model(subject: Subject) -> Iterator[Problem]:
    """The folder names model and task; a bundled model is one of the rules, of their size."""
    model, rules = subject.result.model, subject.rules
    wanted = folder_end(subject.result)
    if re.fullmatch(r"[0-9]{2,4}-" + re.escape(wanted), subject.listed.folder) is None:
        yield Problem(
            f"the folder {subject.listed.folder} does not name model and task of the result "
            f"(NN-{wanted})"
        )
    if (model.source == "builtin") != model.id.startswith("builtin:"):
        yield Problem(f"the model {model.id[:80]!r} cannot come from {model.source!r}")
    elif model.source == "builtin":
        parameters = rules.builtin.get(model.id)
        if parameters is None:
            yield Problem(f"the rules know no bundled model {model.id[:80]!r}")
        elif model.parameters != parameters:
            yield Problem(f"{model.id} has {parameters:,} parameters, not {model.parameters:,}")
        if model.weights != "random":
            yield Problem("a bundled model has random weights, whatever the result says")


def folder_end(result: Result) -> str:
    """A result's folder behind its number: model and task, other characters as one hyphen."""
    return f"{_plain(result.model.id)}-{_plain(result.task.id)}"


def _plain(name: str) -> str:
    spaced = "".join(c if _PLAIN.fullmatch(c) else " " for c in name)
    return "-".join(spaced.split()).strip("-.")[:_MOST] or "unnamed"
