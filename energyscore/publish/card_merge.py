"""Writing results into a model card that is there already, without losing anything in it.

A card is a front matter of YAML between two lines of `---`, and a text in Markdown. Everything
that is not ours stays as it is, character by character: other keys, comments, quotes, line ends.
Ours stands between two markers, in the front matter and in the text, and is replaced the next time.
Whatever the result is, it is read again before it is given back, and has to say what was meant.
"""

import re
from dataclasses import dataclass
from typing import Any

from energyscore.base.errors import UsageError
from energyscore.base.yaml_text import FRONT_MATTER, YamlError, read_yaml
from energyscore.publish.card_entries import (
    CardFigures,
    IndexPlan,
    merge_section,
    others_in,
    plan_index,
)
from energyscore.publish.card_front import BREAK, merge_front

BEGIN, END = "<!-- energyscore: begin -->", "<!-- energyscore: end -->"

# What the hub does not call a front matter: an empty one.
_EMPTY_FRONT = re.compile(rf"\s*---[ \t]*{BREAK}---[ \t]*(?:\r\n|\n|$)")
_CODE = re.compile(
    rf"(?ms)^ {{0,3}}(`{{3,}}|~{{3,}})[^\r\n]*{BREAK}.*?^ {{0,3}}\1[`~]*[ \t]*(?=[\r\n]|\Z)"
)


@dataclass(frozen=True)
class _Card:
    mark: str
    opening: str
    front: str
    closing: str
    body: str
    line_break: str


def merge_card(
    card: str, figures: CardFigures, where: str, *, replace: bool = False
) -> tuple[str, tuple[str, ...]]:
    """A card with our results in its `model-index` and our section in its text, and remarks on it.

    Results of the same tasks that are in it are replaced; with `replace` our figures of another
    model are taken out. Merged into it once more, the same results change nothing.

    Raises:
        UsageError: when the card is broken, holds our figures of another model, or cannot take
            these without losing something.
    """
    parts = _split(card, where)
    data = _parse(parts.front, where)
    index = data.get("model-index") or []
    others = others_in(index, figures.model)
    if others and not replace:
        raise UsageError(
            f"{where} holds figures of another model, {', '.join(others)}; these are of "
            f"{figures.model}.",
            "Name another card, or add --replace to take those out; nothing was written.",
        )
    plan = plan_index(index, figures)
    front = merge_front(parts.front, data, plan, figures.model, parts.line_break)
    if front is None:
        raise _broken(
            where,
            "its front matter is written in a way that nothing can be added to without changing "
            "the rest",
            "Write its keys and results one a line, without { } or [ ] around them; nothing was "
            "written.",
        )
    body = _merge_body(parts, plan, figures, where)
    text = parts.opening + front + parts.closing + body
    read = FRONT_MATTER.match(text)
    if read is None or text[read.end() :] != body:
        what = "the hub would read the card otherwise than it is meant"
        raise _broken(where, what, "Begin the card with a line of ---; nothing was written.")
    gone = (f"figures of {', '.join(others)} were taken out",) if others else ()
    return parts.mark + text, gone + plan.remarks


def _broken(
    where: str, what: str, remedy: str = "Mend it first; nothing was written."
) -> UsageError:
    return UsageError(f"{where}: {what}.", remedy)


def _split(card: str, where: str) -> _Card:
    first = re.search(BREAK, card)
    line_break = first[0] if first else "\n"
    mark = "\ufeff" if card.startswith("\ufeff") else ""
    text = card.removeprefix(mark)
    opening, closing = f"---{line_break}", f"{line_break}---{line_break}"
    if empty := _EMPTY_FRONT.match(text):
        return _Card(mark, opening, "", closing, text[empty.end() :], line_break)
    if found := FRONT_MATTER.match(text):
        closing = found[3] if found[4] else found[3] + line_break
        return _Card(mark, found[1], found[2], closing, text[found.end() :], line_break)
    if re.match(rf"\s*---[ \t]*(?:{BREAK}|$)", text):
        raise _broken(where, "its front matter is not between two lines of --- alone")
    return _Card(mark, opening, "", closing, line_break + text if text else "", line_break)


def _parse(front: str, where: str) -> dict[str, Any]:
    """What a front matter says; its `model-index` is a list of models with lists of results."""
    try:
        data = read_yaml(front).content
    except YamlError as error:
        # Line 1 of the front matter is line 2 of the card.
        place = f" in line {error.line + 1}" if error.line else ""
        raise _broken(where, f"its front matter is not YAML{place}: {error.problem}") from error
    if data is not None and not isinstance(data, dict):
        raise _broken(where, "its front matter holds no keys and values")
    data = data or {}
    index = data.get("model-index")
    fits = index is None or (
        isinstance(index, list)
        and all(isinstance(entry, dict) and "name" in entry for entry in index)
        and all(isinstance(entry.get("results") or [], list) for entry in index)
    )
    if not fits:
        what = "its model-index is not a list of models with a name and a list of results"
        raise _broken(where, what, "Mend or remove it first; nothing was written.")
    return data


def _merge_body(card: _Card, plan: IndexPlan, figures: CardFigures, where: str) -> str:
    body = card.body
    places = {mark: _places(body, mark) for mark in (BEGIN, END)}
    begins, ends = len(places[BEGIN]), len(places[END])
    start, end = (found[0] if found else -1 for found in places.values())
    if (begins, ends) not in ((0, 0), (1, 1)) or end < start:
        raise _broken(
            where,
            f"{BEGIN} stands in it {begins} times and {END} {ends} times",
            "Leave one pair of them, in this order; nothing was written.",
        )
    old = re.sub(BREAK, "\n", body[start + len(BEGIN) : end]) if begins else ""
    section = merge_section(old, plan.tasks, figures.blocks)
    ours = f"{BEGIN}\n{section}\n{END}".replace("\n", card.line_break)
    if not begins:
        gap = "" if not body else card.line_break * (1 if body.endswith(("\n", "\r")) else 2)
        return (body or card.line_break) + gap + ours + card.line_break
    return body[:start] + ours + body[end + len(END) :]


def _places(body: str, mark: str) -> list[int]:
    """Where a marker stands; in a block of code it is an example."""
    prose = _CODE.sub(lambda code: " " * len(code[0]), body)
    return [found.start() for found in re.finditer(re.escape(mark), prose)]
