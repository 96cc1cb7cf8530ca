"""The batch lists of the AI Energy Score: a CSV, read as it is."""

import contextlib
import csv
import io
import math
import re
from collections.abc import Mapping, Sequence

from energyscore.base.errors import UsageError, did_you_mean
from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.states import BLANK, mode_of_row

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

MOST_TOKENS = 8192
"""What the official protocol lets an answer have where a model is to reason."""

_QUOTES = "A quoted cell ends with a quote, and a comma or the end of the line follows."
_ADDRESS = re.compile(r"^(https?://)?(www\.)?(huggingface\.co|hf\.co)/", re.IGNORECASE)


def parse_csv(text: str, where: str) -> tuple[Entry, ...]:
    """The entries of an official list by priority, 1 first; those without one come last.

    Case and blanks in the names of columns do not matter, nor do columns without a name. Text
    generation whose reasoning state is `On` is the task reasoning, in that mode and with the
    official limit; with `Off` it is text generation of a fixed length, as it is officially.

    Raises:
        UsageError: with the line, for a wrong column, priority or class.
    """
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    ranked: list[tuple[float, Entry]] = []
    try:
        line = 1
        places = _places(next(reader, []), f"{where}, line 1")
        line = reader.line_num + 1
        for row in reader:
            row += [""] * (1 + max(places.values()))  # the cells that are missing at its end
            cells = {name: " ".join(row[place].split()) for name, place in places.items()}
            if cells[MODEL] or cells[TASK]:
                place = f"line {line}"
                ranked.append((_priority(cells, f"{where}, {place}"), _entry(cells, place, where)))
            line = reader.line_num + 1  # a cell may hold several
    except csv.Error as error:
        raise UsageError(f"{where}, line {line}: no valid CSV: {error}.", _QUOTES) from error
    if not ranked:
        raise UsageError(f"{where} names no models.", "Add a row with a model and its task.")
    return tuple(entry for _, entry in sorted(ranked, key=lambda pair: pair[0]))


def _places(header: Sequence[str], where: str) -> dict[str, int]:
    """Which column stands where; columns without a name hold what people like."""
    titles = {place: title.strip() for place, title in enumerate(header) if title.strip()}
    if not titles:
        raise UsageError(f"{where}: no names of columns.", f"It holds: {', '.join(COLUMNS)}.")
    known = {_plain(name): name for name in COLUMNS}
    places = {known.get(_plain(title), title): place for place, title in titles.items()}
    for name in (MODEL, TASK):
        if name not in places:
            hint = did_you_mean(name, titles.values())
            if not hint.startswith("Did"):
                hint = (
                    f"The file's columns are: {', '.join(titles.values())}. A list of the AI "
                    f"Energy Score has: {', '.join(COLUMNS)}. A list of your own is YAML."
                )
            if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
                hint = "Separate the columns by commas."
            raise UsageError(f"{where}: there is no column {name!r}.", hint)
    for place, title in titles.items():
        name = known.get(_plain(title), title)
        if name not in COLUMNS:
            hint = f"{did_you_mean(title, COLUMNS)} A column without a name may hold what you like."
            raise UsageError(f"{where}: unknown column {title!r}.", hint)
        if places[name] != place:
            raise UsageError(f"{where}: duplicate column {name!r}.", "Remove one.")
    return places


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _priority(cells: Mapping[str, str], where: str) -> float:
    text = cells.get(PRIORITY, "").lower()
    if text in BLANK:
        return math.inf
    with contextlib.suppress(ValueError):
        if math.isfinite(priority := float(text)):
            return priority
    raise UsageError(f"{where}: {PRIORITY}: {text!r} is no number.", "Give 1, 2, 3, or nothing.")


def _entry(cells: Mapping[str, str], place: str, where: str) -> Entry:
    size = cells.get(CLASS, "").upper()
    size = "" if size.lower() in BLANK else size
    if size and not re.fullmatch("[A-Z]", size):
        message = f"{where}, {place}: {CLASS}: {size!r} is no class."
        raise UsageError(message, "Give a letter such as A, B or C, or nothing.")
    mode, problem = mode_of_row(cells.get(REASONING, ""), cells.get(TEMPLATE, ""))
    task = _plain(cells[TASK]).replace(" ", "_").replace("-", "_")
    task = TASKS.get(task, task)
    if task == "text_generation" and mode not in (None, "off"):
        task = "reasoning"
    if task != "reasoning" and mode == "off":
        mode = None  # then nothing is asked for: text generation is of a fixed length
    model = _ADDRESS.sub("", cells[MODEL]).strip("/")
    if not model or not task:
        problem = "the row names no model" if task else "the row names no task"
    content = {"reasoning": [mode]} if mode else {}
    most = {"max_new_tokens": MOST_TOKENS} if task == "reasoning" else {}
    return Entry(
        place=place,
        task=task,
        model=model,
        model_class=size or None,
        options=RunOptions.model_validate(content | most),
        said=frozenset(content),
        problem=problem,
    )
