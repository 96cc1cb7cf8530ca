"""Writing our results into the front matter of a model card, character by character.

Only lines of ours are put in and taken out; all else keeps its comments, quotes and style. Where
that cannot be, nothing is written: a front matter is never written anew.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from energyscore.base.text import json_text
from energyscore.publish.card_entries import Plan, is_all_of_another, is_ours

BREAK = r"(?:\r\n|\n|\r)"
YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, IndexError, TypeError)
"""What PyYAML lets through from values that look like dates, numbers or tags and are none."""

_BEGIN, _END = "# energyscore: begin", "# energyscore: end"
_MARKED = re.compile(
    rf"^[ \t]*{_BEGIN}[ \t]*{BREAK}"
    rf"(?:[^\r\n]*{BREAK})*?"
    rf"[ \t]*{_END}[ \t]*(?:{BREAK}|$)",
    re.M,
)
_MARKER = re.compile(rf"^[ \t]*(?:{_BEGIN}|{_END})[ \t]*(?:{BREAK}|$)", re.M)
_LINE = re.compile(rf"[^\r\n]*(?:{BREAK}|$)")


def merge_front(front: str, data: dict[str, Any], plan: Plan, model: str, end: str) -> str | None:
    """The front matter with what the plan asks for; None where that would change something else.

    Args:
        front: the front matter, without the lines around it.
        data: what it says.
        plan: what its `model-index` is to be.
        model: the id of the model whose results go in.
        end: the line end.
    """
    wanted = {**data, "model-index": plan.index}
    # Between our markers others may have written; and the hub's own writer takes the markers out.
    for marks in (_MARKED, _MARKER):
        try:
            bare = _without_ours(marks.sub("", front + end), model)
            merged = None if bare is None else _with_ours(bare, plan, end)
            if merged is not None and _says(merged, wanted):
                return merged
        except (*YAML_ERRORS, RecursionError):
            continue
    return None


def _without_ours(front: str, model: str) -> str | None:
    """Without entries of ours that no markers are around; None where one shares its lines."""
    spans = list(_spans_of_ours(front, model))
    if None in spans:
        return None
    for start, end in sorted((span for span in spans if span), reverse=True):
        front = front[:start] + front[end:]
    return front


def _spans_of_ours(front: str, model: str) -> Iterator[tuple[int, int] | None]:
    pair = _pair(yaml.compose(front, Loader=yaml.SafeLoader), "model-index")
    index = yaml.safe_load(front).get("model-index") if pair else None
    for entry, node in zip(index or (), _items(pair[1]) if pair else (), strict=False):
        if is_all_of_another(entry, model):
            yield _lines_of(front, node)
            continue
        results = _pair(node, "results")
        nodes = _items(results[1]) if results else ()
        for result, part in zip(entry.get("results") or (), nodes, strict=False):
            if is_ours(result):
                yield _lines_of(front, part)


def _lines_of(front: str, item: yaml.Node) -> tuple[int, int] | None:
    """Where the lines of an entry of a list begin and end; None where others share them."""
    start = item.start_mark.index - item.start_mark.column
    if not re.fullmatch(r"[ \t]*-[ \t]+", front[start : item.start_mark.index]):
        return None
    return start, _end_of_line(front, _end(item))


def _with_ours(front: str, plan: Plan, end: str) -> str | None:
    """Our results as lines of their own, between markers; None where there is no place for them."""
    entry = plan.index[plan.place]
    index = _pair(yaml.compose(front, Loader=yaml.SafeLoader), "model-index")
    if index is None:
        return _put(front, len(front), {"model-index": plan.index}, 0, end)
    model = _named(_items(index[1]), str(entry["name"]))
    if model is None:
        # A model that is not there, or was ours whole, is added whole.
        return _add(front, index, [entry], end)
    results = _pair(model, "results")
    if results is not None:
        return _add(front, results, plan.results, end)
    if not isinstance(model, yaml.MappingNode) or model.flow_style or not model.value:
        return None
    column = model.value[0][0].start_mark.column
    return _put(front, _end(model), {"results": plan.results}, column, end)


def _add(
    front: str, pair: tuple[yaml.Node, yaml.Node], entries: Sequence[Any], end: str
) -> str | None:
    """Entries at the end of a key's list; where that is empty, `[]` goes, and the lines follow."""
    key, value = pair
    if _items(value):
        if getattr(value, "flow_style", False):
            return None
        return _put(front, _end(value), entries, value.start_mark.column, end)
    start, stop = value.start_mark.index, value.end_mark.index
    written = front[start:stop]
    if "\n" in written or "\r" in written:
        return None
    bare = front[:start] + front[stop:]
    return _put(bare, start, entries, key.start_mark.column, end)


def _put(front: str, place: int, content: Any, column: int, end: str) -> str:
    """Our lines behind the line of a place."""
    place = _end_of_line(front, place)
    indent = " " * column
    plain = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    text = json_text(plain)
    if text != plain and repr(yaml.safe_load(text)) != repr(content):
        text = plain  # without quotes an escape would be read as it stands
    lines = [_BEGIN, *text.removesuffix("\n").split("\n"), _END]
    ours = "".join(f"{indent}{line}{end}" for line in lines)
    before = "" if front[:place] == end else front[:place]
    return (before + ours + front[place:]).removesuffix(end)


def _pair(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    """A key and its value, where they are written one a line."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return None
    return next((pair for pair in node.value if pair[0].value == name), None)


def _items(node: yaml.Node) -> Sequence[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _named(models: Sequence[yaml.Node], name: str) -> yaml.Node | None:
    """The first model of that name."""
    for model in models:
        if isinstance(model, yaml.MappingNode):
            names = [value.value for key, value in model.value if key.value == "name"]
            if names == [name]:
                return model
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
    rest = _LINE.match(text, place)
    return rest.end() if rest else len(text)


def _says(front: str, wanted: dict[str, Any]) -> bool:
    data = yaml.safe_load(front)
    # By `==` NaN is unequal to itself, and 1 is equal to True.
    return isinstance(data, dict) and repr(_plain(data)) == repr(_plain(wanted))


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """A model without results has none, however that is written."""
    index = [{**one, "results": one.get("results") or []} for one in data.get("model-index") or ()]
    return {**data, "model-index": index}
