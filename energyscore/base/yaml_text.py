"""YAML as people write it by hand: what is there twice is a mistake."""

from typing import Any

import yaml

YAML_ERRORS = (
    yaml.YAMLError,
    *(ValueError, KeyError, AttributeError, IndexError, TypeError, RecursionError),
)
"""What PyYAML raises, and what it lets through from values that look like dates or tags."""

MOST_MERGED = 10_000
"""So many keys may be merged in by `<<`: merges of merges make a billion of a short file."""


class UniqueKeys(yaml.SafeLoader):
    """YAML in which a key stands once: of two, one would silently be lost."""

    def __init__(self, stream: Any) -> None:
        """Read a text or a stream."""
        super().__init__(stream)
        self._checked: set[yaml.MappingNode] = set()
        self._merging = 0
        self._merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what a mapping merges in into it; before that its own keys are looked through."""
        if node not in self._checked:
            self._checked.add(node)
            _refuse_twice(node)
        self._merged += len(node.value) if self._merging else 0
        if self._merged > MOST_MERGED:
            said = f"more than {MOST_MERGED:,} keys are merged by <<"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark)
        self._merging += 1
        super().flatten_mapping(node)
        self._merging -= 1


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                said = f"the key {key.value!r} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
            seen.add(key.value)
