"""A census of a model's layers: what quantizing it while it was loaded did to each kind of them."""

from dataclasses import dataclass
from typing import Literal

LayerState = Literal["quantized", "kept", "fell_back"]
"""`kept`: of a kind that is not quantized, or left out by the library's own rule (the head, as a
rule). `fell_back`: others of its kind were quantized, and the library could not do this one."""


@dataclass(frozen=True)
class LayerCount:
    """Layers of one kind whose weights lie in memory in one way.

    Attributes:
        module: the class of the layer.
        weight: the type of its weight: a class such as `Params4bit`, of plain ones the dtype.
        weights_bytes: of all of them; a weight that layers share counts once.
    """

    module: str
    weight: str
    state: LayerState
    count: int
    weights_bytes: int


@dataclass(frozen=True)
class Census:
    """The layers of a model that was quantized while it was loaded.

    `bytes_before` is what its weights would take as they are, in the dtype that it computes in.
    """

    bytes_before: int
    bytes_after: int
    layers: tuple[LayerCount, ...]

    @property
    def saved_share(self) -> float:
        """The share of the bytes that the quantization saves."""
        return 1 - self.bytes_after / self.bytes_before

    @property
    def fell_back(self) -> int:
        """How many layers the library should have quantized, and did not."""
        return sum(layer.count for layer in self.layers if layer.state == "fell_back")
