"""The model of a result: which one it is, how it was loaded, and what it was made from."""

from typing import Annotated, Any, Literal

from pydantic import Field

from energyscore.base.form import Part
from energyscore.protocol.census import LayerState
from energyscore.protocol.model import Quantization
from energyscore.protocol.parentage import Relation


class ParentPart(Part):
    """What a model was made from. It is told, not measured, and no condition of comparing."""

    id: str = Field(description="the parent's name; of a merge the first one's")
    source: Literal["user", "card"] = Field(description="who says so: the user, or the model card")
    relation: Relation | None = Field(description="null: nobody says, and nothing shows it")
    relation_source: Literal["user", "card", "inferred"] | None = Field(
        description="who says so; inferred: an adapter's files, a checkpoint's "
        "quantization_config, or several parents show it"
    )


class LayersPart(Part):
    """Layers of one kind whose weights lie in memory in one way."""

    module: str = Field(description="their class")
    weight: str = Field(description="the type of their weights; of plain ones the dtype")
    state: LayerState = Field(
        description="kept: of a kind that is not quantized, or by the library's rule; fell_back: "
        "others of their kind were quantized, and the library could not do these"
    )
    count: Annotated[int, Field(gt=0)]
    weights_bytes: Annotated[int, Field(ge=0)] = Field(description="shared weights count once")


class CensusPart(Part):
    """What quantizing a model while it was loaded did to its layers."""

    bytes_before: Annotated[int, Field(gt=0)] = Field(
        description="what the weights would take as they are, in the model's dtype"
    )
    bytes_after: Annotated[int, Field(gt=0)]
    layers: list[LayersPart]


class ModelPart(Part):
    """Which model, as it was loaded."""

    id: str
    source: Literal["hub", "local", "builtin", "server", "function"] = Field(
        description="server: what a server has by that name; function: no model, but a function "
        "or a block of code, measured from Python"
    )
    revision: str | None = Field(description="commit, or digest of a local folder")
    architecture: str
    parameters: Annotated[int, Field(gt=0)] | None = Field(
        description="null: of a function, or a server's"
    )
    dtype: str | None = Field(description="null: a server's, which does not tell it")
    quantization: str | None
    quantization_bits: int | None
    weights: Literal["pretrained", "random"] | None = Field(
        description="null: of a function, or a server's"
    )
    model_class: str | None = Field(description="size class (A, B, C) where the task has them")
    base_model: str | None = Field(default=None, description="of an adapter: name@revision")
    parent: ParentPart | None = Field(
        default=None, description="what it was made from; null: nobody says, or an older file"
    )
    quantized_on_load: Quantization | None = Field(
        default=None,
        description="the quantization that was asked for and made while the model was loaded; "
        "null: the weights are as the checkpoint has them",
    )
    census: CensusPart | None = Field(default=None, description="of what was quantized on loading")
    attention: str | None = Field(
        default=None,
        description="the implementation of attention that was used; null: none, or an older file",
    )
    attention_default: str | None = Field(
        default=None, description="the implementation that the model takes by itself"
    )
    compiled: bool | None = Field(
        default=None, description="whether torch.compile made what ran; null: an older file"
    )

    @property
    def precision(self) -> str:
        """The dtype for people."""
        return self.dtype or "not known"

    @property
    def has_own_attention(self) -> bool:
        """Whether attention is as the model takes it by itself; older files tell of no other."""
        return self.attention_default is None or self.attention == self.attention_default

    def recorded(self) -> dict[str, Any]:
        """The model as digests have it: without what is only told of it.

        A field that came later counts where it is not null.
        """
        came_later = {name for name in _CAME_LATER if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude={"parent", *came_later})


_CAME_LATER = (
    *("base_model", "quantized_on_load", "census", "attention", "attention_default", "compiled"),
)
