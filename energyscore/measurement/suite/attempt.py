"""One attempt at an entry of a suite, on whatever machine: what is recorded of it."""

from typing import Literal

from pydantic import Field

from energyscore.results.parts import NonNegative, Part


class Attempt(Part):
    """What became of one process that was to measure an entry, and where it worked."""

    kind: Literal["attempt"] = "attempt"
    schema_version: Literal[1] = 1
    key: str = Field(description="SHA-256 of what was asked for")
    task: str
    model: str = Field(description="as tables name it")
    folder: tuple[str, str] = Field(description="of the model's results: organization and model")
    fresh: bool = Field(description="asked for although it was measured before")
    began_at: str = Field(description="UTC, ISO 8601, by the clock of the node")
    node: str = Field(description="the machine's name")
    gpus: list[str] = Field(description="UUIDs of the GPUs that it was given")
    status: Literal["done", "invalid", "failed", "interrupted", "lost"] = Field(
        description="lost: its worker or its node ended, and nothing came back"
    )
    reason: str = Field(description="why it is not done; empty where it is")
    exit_code: int | None = Field(description="of its process; negative: ended by that signal")
    seconds: NonNegative | None = Field(description="its process took, loading included")
    gpu_wh: NonNegative | None = Field(
        description="what those GPUs took meanwhile by their counters, loading and idling included"
    )

    @property
    def is_final(self) -> bool:
        """Whether another attempt would come to the same: what was asked for is wrong."""
        return self.status == "done" or (self.status == "failed" and self.exit_code == 2)
