"""Which work was done: the parts of a result that tell of its queries."""

from typing import Literal

from pydantic import Field

from energyscore.base.form import Part
from energyscore.results.kinds import Count, NonNegative, Positive, PositiveCount


class InputsCut(Part):
    """Queries of a pass that the model did not take whole."""

    queries: Count = Field(description="how many were cut")
    limit: Positive = Field(description="what the model takes of one at most")
    unit: Literal["tokens", "seconds"]
    lost: NonNegative | None = Field(default=None, description="cut off of all; null: older file")
    total: NonNegative | None = Field(default=None, description="of all queries, whole")
    official_limit: Positive | None = Field(
        default=None, description="what the official method takes of one at least; null: any"
    )

    @property
    def lost_share(self) -> float | None:
        """The share of the work that was cut off; None where it was not recorded."""
        return self.lost / self.total if self.lost is not None and self.total else None


class SelectionPart(Part):
    """What was said to be taken of the dataset; null where it was not said."""

    config: str | None = Field(description="the configuration")
    split: str | None
    columns: dict[str, str] = Field(description="the column of a field, where one was named")

    def __str__(self) -> str:
        """It for people, after the dataset's name."""
        named = (f"{name}={column}" for name, column in sorted(self.columns.items()))
        config = () if self.config is None else (f"configuration {self.config}",)
        split = () if self.split is None else (f"split {self.split}",)
        return ", ".join([*config, *split, *named])


class EmptyRows(Part):
    """Rows of the dataset that hold nothing; the next ones were taken instead."""

    count: PositiveCount
    first: list[PositiveCount] = Field(description="numbers of the first of them, from 1")


class WorkloadPart(Part):
    """Which work: the queries of one pass and how they were put to the model."""

    dataset: str
    revision: str | None = Field(description="commit of a hub dataset, null for local data")
    official: bool = Field(description="whether it is the task's official dataset")
    fingerprint: str = Field(description="SHA-256 of the queries, in the dataset's order")
    queries: PositiveCount = Field(description="queries of one pass")
    batch_size: PositiveCount
    seed: int = Field(description="seed of the order of the queries; each run adds its index")
    input_tokens: Count | None = Field(
        description="tokens of one pass, without padding; null: a server that does not tell"
    )
    output_tokens: Count | None = Field(description="generated tokens of one pass; null: likewise")
    generation: dict[str, int | float | str] | None = Field(
        description="how text or images were made: new tokens and how they were chosen, or "
        "diffusion steps; null: neither"
    )
    by: Literal["head", "generate"] | None = Field(
        default=None, description="how a task of two ways was done; null: it has one, or older"
    )
    inputs_cut: InputsCut | None = Field(
        default=None, description="queries longer than the model takes; null: it knows no limit"
    )
    selection: SelectionPart | None = Field(
        default=None, description="what was said to be taken of the dataset; null: nothing was"
    )
    empty_rows: EmptyRows | None = Field(
        default=None, description="rows that were left out as empty; null: none"
    )
