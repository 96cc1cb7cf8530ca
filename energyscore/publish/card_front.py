"""Writing our results into the front matter of a model card, character by character.

Only lines of ours are put in and taken out; all else keeps its comments, quotes and style.
ruamel.yaml says where parts begin and end. The result is read again: where it does not say what it
must, nothing is written.
"""

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from energyscore.base.yaml_text import YamlError, read_yaml, write_yaml
from energyscore.publish.card_entries import IndexPlan, is_all_of_another, is_ours

BREAK = r"(?:\r\n|\n|\r)"

_BEGIN, _END = "# energyscore: begin", "# energyscore: end"
_MARKED = re.compile(
    rf"^[ \t]*{_BEGIN}[ \t]*{BREAK}(?:[^\r\n]*{BREAK})*?[ \t]*{_END}[ \t]*(?:{BREAK}|$)", re.M
)
_MARKER = re.compile(rf"^[ \t]*(?:{_BEGIN}|{_END})[ \t]*(?:{BREAK}|$)", re.M)
_REST_OF_LINE = re.compile(rf"(?<=[\r\n])|[^\r\n]*(?:{BREAK}|$)")


def merge_front(
    front: str, data: dict[str, Any], plan: IndexPlan, model: str, end: str
) -> str | None:
    """The front matter with what the plan asks for; None where that would change something else.

    `front` stands without the lines around it and says `data`; `end` is its line end. The results
    of the plan are those of `model`.
    """
    wanted = {**data, "model-index": plan.index}
    # Between our markers others may have written; and the hub's own writer takes the markers out.
    for marks in (_MARKED, _MARKER):
        try:
            bare = _without_ours(marks.sub("", front + end), model)
            merged = _with_ours("" if bare == end else bare, plan, end).removesuffix(end)
            if _meaning(read_yaml(merged).content) == _meaning(wanted):
                return merged
        except YamlError:
            continue
    return None


def _meaning(data: Any) -> str:
    """To compare by: for `==` NaN is unequal to itself, and 1 is equal to True."""
    # A model without results has none, however that is written.
    index = [{**one, "results": one.get("results") or []} for one in data.get("model-index") or ()]
    return repr({**data, "model-index": index})


def _without_ours(front: str, model: str) -> str:
    """Without the lines of entries of ours that no markers are around."""
    read, ours = read_yaml(front), []
    for entry, node in _items(read.content or {}, read.root, "model-index"):
        if is_all_of_another(entry, model):
            ours.append(node)
        else:
            ours += [part for result, part in _items(entry, node, "results") if is_ours(result)]
    for node in reversed(ours):
        start = node.start_mark.index - node.start_mark.column
        front = front[:start] + front[_end_of_line(front, node) :]
    return front


def _with_ours(front: str, plan: IndexPlan, end: str) -> str:
    """With our results as lines of their own, between markers."""
    read, entry = read_yaml(front), plan.index[plan.place]
    index = _pair(read.root, "model-index")
    if index is None:
        return _put(front, len(front), {"model-index": plan.index}, 0, end)
    models = _items(read.content, read.root, "model-index")
    model = next((node for one, node in models if one["name"] == entry["name"]), None)
    # A model that is not there, or was ours whole, is added whole.
    key, value = index if model is None else _pair(model, "results") or (None, model)
    content = [entry] if model is None else plan.results
    if key is None:
        place = _end_of_line(front, value)
        return _put(front, place, {"results": content}, value.start_mark.column, end)
    if isinstance(value.value, list) and value.value:
        return _put(front, _end_of_line(front, value), content, value.start_mark.column, end)
    # Empty: `[]` goes, and the lines follow that of the key.
    bare = front[: value.start_mark.index] + front[value.end_mark.index :]
    return _put(bare, _end_of_line(bare, key), content, key.start_mark.column, end)


def _put(front: str, place: int, content: Any, column: int, end: str) -> str:
    """Our lines at the beginning of a line."""
    lines = [_BEGIN, *write_yaml(content).removesuffix("\n").split("\n"), _END]
    ours = "".join(f"{' ' * column}{line}{end}" for line in lines)
    return front[:place] + ours + front[place:]


def _pair(node: Node | None, name: str) -> tuple[Node, Node] | None:
    """A key and its value."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next((pair for pair in pairs if pair[0].value == name), None)


def _items(content: dict[str, Any], node: Node | None, name: str) -> Iterator[tuple[Any, Node]]:
    """The entries of a key's list, and where they are written."""
    found = _pair(node, name)
    return zip(content.get(name) or (), found[1].value if found else (), strict=False)


def _end_of_line(text: str, node: Node) -> int:
    """Where the line ends that a node ends in."""
    # The end of a block is where the next token begins, behind comments: its last part has its own.
    while isinstance(node, CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    rest = _REST_OF_LINE.match(text, node.end_mark.index)
    return rest.end() if rest else len(text)
