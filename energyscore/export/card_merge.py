"""Writing results into a model card that is there already, without losing anything in it.

A card is a front matter of YAML between two lines of `---`, and a text in Markdown. Everything
that is not ours stays as it is, character by character: other keys, comments, quotes, line ends.
Ours stands between two markers, in the front matter and in the text, and is replaced the next time.
Whatever the result is, it is read again before it is given back, and has to say what was meant.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any

import yaml

from energyscore.errors import UsageError
from energyscore.export.card_parts import CardFigures, Plan, merge_section, others_in, plan_index

BEGIN, END = "<!-- energyscore: begin -->", "<!-- energyscore: end -->"
_YAML_BEGIN, _YAML_END = "# energyscore: begin", "# energyscore: end"

_BREAK = r"(?:\r\n|\n|\r)"
# As the hub reads cards; and what it does not call a front matter, an empty one.
_FRONT = re.compile(rf"(\s*---{_BREAK})([\s\S]*?)({_BREAK}---[ \t]*(?:\r\n|\n|$))")
_EMPTY_FRONT = re.compile(rf"\s*---[ \t]*{_BREAK}---[ \t]*(?:\r\n|\n|$)")
_MARKED_YAML = re.compile(
    rf"^[ \t]*{_YAML_BEGIN}[ \t]*{_BREAK}"
    rf"(?:[^\r\n]*{_BREAK})*?"
    rf"[ \t]*{_YAML_END}[ \t]*(?:{_BREAK}|$)",
    re.M,
)
_YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, IndexError, TypeError)
"""What PyYAML lets through from values that look like dates, numbers or tags and are none."""


@dataclass(frozen=True)
class _Card:
    opening: str
    front: str
    closing: str
    body: str
    line_break: str


def merge_card(
    card: str, figures: CardFigures, where: str, *, replace: bool = False
) -> tuple[str, tuple[str, ...]]:
    """A card with our results in its `model-index` and our section in its text.

    Args:
        card: the card as it is; empty for a new one.
        figures: what goes into it. Results of the same tasks that are in it are replaced.
        where: the card's name in messages.
        replace: take out our figures of another model, which are an error otherwise.

    Returns:
        The new card, and what whoever asked for it should know. Merged into it once more, the same
        results change nothing.

    Raises:
        UsageError: when the card is broken, holds our figures of another model, or cannot take
            these without losing something.
    """
    parts = _split(card, where)
    data = _parse(parts.front, where)
    index = data.get("model-index")
    _check_index(index, where)
    others = others_in(index or [], figures.model)
    if others and not replace:
        raise UsageError(
            f"{where} holds figures of another model, {', '.join(others)}; these are of "
            f"{figures.model}.",
            "Name another card, or add --replace to take those out; nothing was written.",
        )
    plan = plan_index(index or [], figures)
    front = _merge_front(parts, data, plan, where)
    body = _merge_body(parts, plan, figures, where)
    merged = parts.opening + front + parts.closing + body
    _check(merged, body, where)
    gone = (f"figures of {', '.join(others)} were taken out",) if others else ()
    return merged, gone + plan.remarks


def _split(card: str, where: str) -> _Card:
    first = re.search(_BREAK, card)
    line_break = first[0] if first else "\n"
    mark = "\ufeff" if card.startswith("\ufeff") else ""
    text = card.removeprefix(mark)
    opening, closing = f"{mark}---{line_break}", f"{line_break}---{line_break}"
    found = _FRONT.match(text)
    empty = _EMPTY_FRONT.match(text)
    if found and not empty:
        opening, front, closing = mark + found[1], found[2], found[3]
        return _Card(opening, front, closing, text[found.end() :], line_break)
    if empty:
        return _Card(opening, "", closing, text[empty.end() :], line_break)
    if re.match(rf"\s*---[ \t]*(?:{_BREAK}|$)", text):
        raise UsageError(
            f"{where}: its front matter is not between two lines of --- alone.",
            "Mend it first; nothing was written.",
        )
    return _Card(opening, "", closing, line_break + text if text else "", line_break)


def _merge_front(card: _Card, data: dict[str, Any], plan: Plan, where: str) -> str:
    for attempt in (_insert, _replace):
        front = attempt(card, plan)
        if front is not None and _says(front, {**data, "model-index": plan.index}):
            return front
    raise UsageError(
        f"{where}: its front matter is written in a way that nothing can be added to without "
        "changing the rest.",
        "Write its keys one a line, without { } around them; nothing was written.",
    )


def _insert(card: _Card, plan: Plan) -> str | None:
    """Our results as lines of their own, between markers; None where that cannot be."""
    front = _MARKED_YAML.sub("", card.front + card.line_break)
    try:
        pair = _index_pair(front)
    except _YAML_ERRORS:
        return None
    if pair is None:
        lines = _marked({"model-index": plan.index}, 0, card.line_break)
        return _put(front, len(front), lines, card.line_break)
    entry = plan.index[plan.place]
    models = pair[1]
    if not isinstance(models, yaml.SequenceNode) or models.flow_style or not models.value:
        return None
    model = _model_node(models, str(entry["name"]))
    # A model that is not there, or was ours whole, is added whole.
    sequence = models if model is None else _results_node(model)
    if sequence is None:
        return None
    ours = [entry] if model is None else plan.results
    lines = _marked(ours, sequence.start_mark.column, card.line_break)
    return _put(front, _end_of_line(front, _end(sequence)), lines, card.line_break)


def _replace(card: _Card, plan: Plan) -> str | None:
    """The whole `model-index` written anew, everything else as it was."""
    front = card.front + card.line_break
    try:
        pair = _index_pair(front)
    except _YAML_ERRORS:
        return None
    if pair is None:
        return None
    key, value = pair
    start, end = key.start_mark.index, _end_of_line(front, _end(value))
    before, after = front[:start], front[end:]
    # Where all of it was ours, its markers stand around it.
    unmarked = re.sub(rf"[ \t]*{_YAML_BEGIN}[ \t]*{_BREAK}\Z", "", before)
    if unmarked != before:
        after = re.sub(rf"\A[ \t]*{_YAML_END}[ \t]*(?:{_BREAK}|\Z)", "", after)
    text = _dump({"model-index": plan.index}, 0, card.line_break)
    return (unmarked + text + after).removesuffix(card.line_break)


def _put(front: str, place: int, lines: str, line_break: str) -> str:
    before = "" if front[:place] == line_break else front[:place]
    return (before + lines + front[place:]).removesuffix(line_break)


def _marked(content: Any, column: int, line_break: str) -> str:
    indent = " " * column
    begin, end = f"{indent}{_YAML_BEGIN}{line_break}", f"{indent}{_YAML_END}{line_break}"
    return begin + _dump(content, column, line_break) + end


def _dump(content: Any, column: int, line_break: str) -> str:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    lines = text.removesuffix("\n").split("\n")
    return "".join(f"{' ' * column}{line}{line_break}" for line in lines)


def _parse(front: str, where: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(front)
    except (*_YAML_ERRORS, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        # Line 1 of the front matter is line 2 of the card.
        place = f" in line {mark.line + 2}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise UsageError(
            f"{where}: its front matter is not YAML{place}: {problem}.",
            "Mend it first; nothing was written.",
        ) from error
    if data is not None and not isinstance(data, dict):
        raise UsageError(
            f"{where}: its front matter holds no keys and values.",
            "Mend it first; nothing was written.",
        )
    return data or {}


def _check_index(index: Any, where: str) -> None:
    fits = index is None or (
        isinstance(index, list)
        and all(isinstance(entry, dict) and "name" in entry for entry in index)
        and all(isinstance(entry.get("results") or [], list) for entry in index)
    )
    if not fits:
        raise UsageError(
            f"{where}: its model-index is not a list of models with a name and a list of results.",
            "Mend or remove it first; nothing was written.",
        )


def _says(front: str, wanted: dict[str, Any]) -> bool:
    try:
        data = yaml.safe_load(front)
    except (*_YAML_ERRORS, RecursionError):
        return False
    # By `==` NaN is unequal to itself, and 1 is equal to True.
    return repr(data) == repr(wanted)


def _index_pair(front: str) -> tuple[yaml.Node, yaml.Node] | None:
    root = yaml.compose(front, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return None
    return next((pair for pair in root.value if pair[0].value == "model-index"), None)


def _model_node(models: yaml.SequenceNode, name: str) -> yaml.MappingNode | None:
    """The first model of that name in `model-index`."""
    for model in models.value:
        if isinstance(model, yaml.MappingNode):
            names = [value.value for key, value in model.value if key.value == "name"]
            if names == [name]:
                return model
    return None


def _results_node(model: yaml.MappingNode) -> yaml.SequenceNode | None:
    """The results of a model in `model-index`, where they are written one a line."""
    for key, value in model.value:
        if key.value == "results" and isinstance(value, yaml.SequenceNode):
            return value if value.value and not value.flow_style else None
    return None


def _end(node: yaml.Node) -> int:
    """Where a node's last character is: blocks of PyYAML end only where the next token begins."""
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _end(node.value[-1])
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return _end(node.value[-1][1])
    return int(node.end_mark.index)


def _end_of_line(text: str, place: int) -> int:
    if place and text[place - 1] in "\r\n":
        return place
    rest = re.compile(rf"[^\r\n]*(?:{_BREAK}|$)").match(text, place)
    return rest.end() if rest else len(text)


def _merge_body(card: _Card, plan: Plan, figures: CardFigures, where: str) -> str:
    body = card.body
    begins, ends = body.count(BEGIN), body.count(END)
    start, end = body.find(BEGIN), body.find(END)
    if (begins, ends) not in ((0, 0), (1, 1)) or end < start:
        raise UsageError(
            f"{where}: {BEGIN} stands in it {begins} times and {END} {ends} times.",
            "Leave one pair of them, in this order; nothing was written.",
        )
    old = re.split(_BREAK, body[start + len(BEGIN) : end]) if begins else []
    lines = merge_section(old, plan.tasks, figures.blocks)
    ours = card.line_break.join([BEGIN, *lines, END])
    if not begins:
        gap = "" if not body else card.line_break * (1 if body.endswith(("\n", "\r")) else 2)
        return (body or card.line_break) + gap + ours + card.line_break
    return body[:start] + ours + body[end + len(END) :]


def _check(merged: str, body: str, where: str) -> None:
    """The hub's own reader must find the text where we left it."""
    from huggingface_hub import ModelCard

    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)  # it may find fault with entries that are not ours
    try:
        read = ModelCard(merged.removeprefix("\ufeff"), ignore_metadata_errors=True)
    except (*_YAML_ERRORS, RecursionError) as error:
        raise UsageError(f"{where}: the hub could not read the card: {error}.") from error
    finally:
        log.setLevel(level)
    if read.text != body:
        raise UsageError(
            f"{where}: the hub would read the card otherwise than it is meant.",
            "Begin the card with a line of ---; nothing was written.",
        )
