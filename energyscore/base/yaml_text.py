"""YAML, read safely and written: duplicate keys are refused, and problems have a line number.

Values are those of YAML 1.2: only `true` and `false` are booleans, so `off` and `NO` are words.
"""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from energyscore.base.errors import UsageError, explain_form

MOST_MERGED = 10_000
"""So many keys may be merged in by `<<`: merges of merges make a billion of a short file."""

FRONT_MATTER = re.compile(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(\r\n|\n|$))")
"""The front matter of a model card between two lines of `---`: the hub's own pattern."""

_ERRORS = (
    *(YAMLError, RecursionError),
    # What ruamel.yaml lets through from values that look like dates, numbers or tags.
    *(ValueError, KeyError, AttributeError, IndexError, TypeError),
)

Form = TypeVar("Form", bound=BaseModel)


class YamlError(ValueError):
    """A text that is not YAML: the problem, and its line, counted from 1 (None if unknown)."""

    def __init__(self, error: Exception) -> None:
        """Take both from what the parser raised."""
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or error)
        if problem.startswith("but "):  # the second half of a sentence
            problem = f"{getattr(error, 'context', '')}, {problem}"
        self.problem = problem.partition(" with value ")[0]  # of a duplicate key, the key is enough
        self.line: int | None = mark.line + 1 if mark else None
        super().__init__(self.problem)


@dataclass(frozen=True)
class YamlText:
    """A YAML text that was read."""

    content: Any
    root: Node | None

    def line(self, path: Sequence[object]) -> int:
        """The line of the key or entry that a path leads to, or of the last part that exists."""
        node, line = self.root, 0
        for part in path:
            if isinstance(node, SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line
            elif isinstance(node, MappingNode):
                found = [(key, value) for key, value in node.value if key.value == part]
                if not found:
                    break
                line, node = found[0][0].start_mark.line, found[0][1]
        return int(line) + 1


class _Constructor(SafeConstructor):
    """Makes plain values only, and not too many of them."""

    _merging = _merged = 0

    def flatten_mapping(self, node: MappingNode) -> Any:
        self._merged += len(node.value) if self._merging else 0
        if self._merged > MOST_MERGED:
            problem = f"more than {MOST_MERGED:,} keys are merged by <<"
            raise ConstructorError(None, None, problem, node.start_mark)
        self._merging += 1
        found = super().flatten_mapping(node)
        self._merging -= 1
        return found


def read_yaml(text: str) -> YamlText:
    """Read a text; a YamlError where it is not YAML, or has a duplicate key."""
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Constructor
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name of a value may be used again
            root = reader.compose(text)
            content = None if root is None else reader.constructor.construct_document(root)
    except _ERRORS as error:
        raise YamlError(error) from error
    return YamlText(content, root)


def read_form(
    text: str, form: type[Form], where: str, shape: str, error: type[UsageError] = UsageError
) -> tuple[Form, YamlText]:
    """Read what people wrote by hand, called `where` in messages: a mapping, in words of `shape`.

    The `error` has the line, the path of the key and what is wrong with it.
    """
    try:
        read = read_yaml(text)
    except YamlError as bad:
        line = f", line {bad.line}" if bad.line else ""
        raise error(f"{where}{line}: not valid YAML: {bad.problem}.") from bad
    if not isinstance(read.content, dict):
        raise error(f"{where} must hold {shape}.")
    try:
        return form.model_validate(read.content), read
    except ValidationError as bad:
        line = f"line {read.line(bad.errors()[0]['loc'])}"
        raise error(f"{where}, {line}: {explain_form(bad, form, read.content)}") from bad


def write_yaml(content: Any) -> str:
    """A text for readers of YAML 1.1, such as the hub's, and of 1.2; one value a line."""
    writer = YAML(typ="safe", pure=True)
    writer.version = (1, 1)  # the stricter one: `no` and `1e3` need quotes
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 2**31
    file = io.StringIO()
    writer.dump(content, file)
    return file.getvalue().partition("---\n")[2]
