"""The model of a result: which one it is, how it was loaded, and what it was made from."""

from typing import Annotated, Any, Literal

from pydantic import Field

from energyscore.base.form import Part
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


class ModelPart(Part):
    """Which model, as it was loaded."""

    id: str
    source: Literal["hub", "local", "builtin", "function"] = Field(
        description="function: no model, but a function or a block of code, measured from Python"
    )
    revision: str | None = Field(description="commit, or digest of a local folder")
    architecture: str
    parameters: Annotated[int, Field(gt=0)] | None = Field(description="null: of a function")
    dtype: str
    quantization: str | None
    quantization_bits: int | None
    weights: Literal["pretrained", "random"] | None = Field(description="null: of a function")
    model_class: str | None = Field(description="size class (A, B, C) where the task has them")
    base_model: str | None = Field(default=None, description="of an adapter: name@revision")
    parent: ParentPart | None = Field(
        default=None, description="what it was made from; null: nobody says, or an older file"
    )

    def recorded(self) -> dict[str, Any]:
        """The model as digests have it: without what is only told of it.

        A field that came later counts where it is not null.
        """
        left_out = {"parent"} if self.base_model else {"parent", "base_model"}
        return self.model_dump(mode="json", exclude=left_out)
