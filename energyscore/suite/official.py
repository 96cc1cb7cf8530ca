"""The batch lists of the AI Energy Score: a CSV, read as it is."""

import csv
import io
import re
from collections.abc import Mapping, Sequence

from energyscore.errors import UsageError, did_you_mean
from energyscore.suite.listing import Entry, Reasoning

MODEL, PRIORITY, CLASS, TASK = "Models to Add", "Priority (1=hi)", "Class", "Task"
REASONING, TEMPLATE = "Reasoning State", "Chat Template"
COLUMNS = (MODEL, PRIORITY, CLASS, TASK, REASONING, TEMPLATE)

TASKS = {
    "text_gen": "text_generation",
    "image_gen": "image_generation",
    "text_class": "text_classification",
    "image_class": "image_classification",
    "automatic_speech_recognition": "asr",
    "extractive_qa": "question_answering",
}
"""Names in the official lists -> ours, where they differ."""

_ADDRESS = re.compile(r"^(https?://)?(www\.)?(huggingface\.co|hf\.co)/", re.IGNORECASE)
_STATE = re.compile(r"(on|off)(?:\((high|medium|low|n/a)\))?")
_BLANK = {"", "n/a", "na", "none", "-"}


def parse_csv(text: str, where: str) -> tuple[Entry, ...]:
    """The entries of an official list by priority, 1 first; those without one come last.

    Case and blanks in the names of columns do not matter, nor do columns without a name. The
    chat template is not read: it says in words what the reasoning state says.

    Raises:
        UsageError: when a column is missing, or a priority or class is none, with the line.
    """
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    ranked: list[tuple[float, Entry]] = []
    try:
        places = _places(next(reader, []), where)
        for row in reader:
            line = reader.line_num
            cells = {
                name: " ".join(row[place].split()) if place < len(row) else ""
                for name, place in places.items()
            }
            if cells[MODEL] or cells[TASK]:
                place = f"line {line}"
                ranked.append((_priority(cells, f"{where}, {place}"), _entry(cells, place, where)))
    except csv.Error as error:
        raise UsageError(f"{where}, line {reader.line_num} is not valid CSV: {error}.") from error
    if not ranked:
        raise UsageError(f"{where} holds no models.")
    return tuple(entry for _, entry in sorted(ranked, key=lambda pair: pair[0]))


def _places(header: Sequence[str], where: str) -> dict[str, int]:
    """Which column stands where; a name that is nearly one of ours is taken for a slip."""
    known = {_plain(name): name for name in COLUMNS}
    places: dict[str, int] = {}
    for place, title in enumerate(header):
        name = known.get(_plain(title))
        if name in places:
            raise UsageError(f"{where} has the column {name!r} twice.")
        if name is not None:
            places[name] = place
    for name in (MODEL, TASK):
        if name not in places:
            others = [title.strip() for title in header if title.strip()]
            raise UsageError(f"{where} has no column {name!r}.", did_you_mean(name, others))
    for title in filter(str.strip, header):
        guess = did_you_mean(_plain(title), known)
        if _plain(title) not in known and guess.startswith("Did you mean"):
            raise UsageError(f"{where}: unknown column {title.strip()!r}. {guess}")
    return places


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _priority(cells: Mapping[str, str], where: str) -> float:
    text = cells.get(PRIORITY, "").lower()
    if text in _BLANK:
        return float("inf")
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{where}: {PRIORITY}: {text!r} is no number.") from error


def _entry(cells: Mapping[str, str], place: str, where: str) -> Entry:
    size = cells.get(CLASS, "").upper()
    size = "" if size.lower() in _BLANK else size
    if size and not re.fullmatch("[A-Z]", size):
        raise UsageError(f"{where}, {place}: {CLASS}: {size!r} is no class such as A, B or C.")
    reasoning, problem = _reasoning(cells.get(REASONING, ""))
    task = _plain(cells[TASK]).replace(" ", "_").replace("-", "_")
    model = _ADDRESS.sub("", cells[MODEL]).strip("/")
    if not model or not task:
        problem = "the row names no model" if task else "the row names no task"
    return Entry(
        place=place,
        task=TASKS.get(task, task),
        model=model,
        model_class=size or None,
        reasoning=reasoning,
        problem=problem,
    )


def _reasoning(text: str) -> tuple[Reasoning | None, str]:
    state = text.lower().replace(" ", "")
    if state in _BLANK:
        return None, ""
    found = _STATE.fullmatch(state)
    if found is None:
        return None, f"the reasoning state {text!r} is not known"
    if found[1] == "off":
        return "off", ""
    levels: dict[str | None, Reasoning] = {"high": "high", "medium": "medium", "low": "low"}
    return levels.get(found[2], "on"), ""
