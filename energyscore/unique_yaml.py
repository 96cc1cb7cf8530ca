"""YAML as people write it by hand: what is there twice is a mistake."""

from typing import Any

import yaml

YAML_ERRORS = (
    yaml.YAMLError,
    *(ValueError, KeyError, AttributeError, IndexError, TypeError, RecursionError),
)
"""What PyYAML raises, and what it lets through from values that look like dates or tags."""


class UniqueKeys(yaml.SafeLoader):
    """YAML in which a key stands once: of two, one would silently be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)
