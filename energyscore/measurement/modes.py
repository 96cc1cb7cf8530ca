"""Whether models can be asked for the modes of reasoning that are wanted, before any is measured.

As a process of its own (`python -m energyscore.measurement.modes`) it answers for a suite, whose
own process stays small: questions as JSON on stdin, the answers as JSON on stdout.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from energyscore.base.lookup import resolve
from energyscore.measurement import catalog
from energyscore.measurement.child import python
from energyscore.measurement.imports import uncollected
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.reasoning import DEFAULT
from energyscore.protocol.task import Mode, TaskSpec

LIMIT_S = 600.0
"""How long a process may take for all models: their tokenizers may have to be downloaded."""


@dataclass(frozen=True)
class Question:
    """One model that is to reason in one mode at a task; None: the task has no modes."""

    task: TaskSpec
    model: ModelSpec
    mode: Mode | None

    @property
    def is_open(self) -> bool:
        """Whether a model may lack it: all have `default`."""
        return self.mode not in (None, DEFAULT) and self.task.modality in catalog.MODE_CHECKS


_QUESTIONS = TypeAdapter(list[Question])


def why_not(questions: Sequence[Question]) -> list[str]:
    """Why each cannot be; empty where nothing is known against it. Loads no weights."""
    groups: dict[tuple[str, ModelSpec], list[Question]] = {}
    for one in filter(lambda one: one.is_open, questions):
        groups.setdefault((one.task.modality, one.model), []).append(one)
    problems: dict[tuple[str, ModelSpec, Mode | None], str] = {}
    for (modality, model), group in groups.items():
        with uncollected():
            check = resolve(catalog.MODE_CHECKS, modality)
        found = check(model, group[0].task, dict.fromkeys(one.mode for one in group))
        problems |= {(modality, model, mode): problem for mode, problem in found.items()}
    return [problems.get((one.task.modality, one.model, one.mode), "") for one in questions]


def why_not_elsewhere(questions: Sequence[Question], *, online: bool) -> list[str]:
    """The same by another process; one that fails or takes too long knows nothing.

    Only when `online` may it ask the hub.
    """
    content = _QUESTIONS.dump_json([*questions])
    network = {} if online else {"HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(
            [*python(), "-m", __name__], input=content, capture_output=True, timeout=LIMIT_S,
            check=True, env=os.environ | network,
        )  # fmt: skip
        answers: list[str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return [""] * len(questions)
    return answers


if __name__ == "__main__":
    json.dump(why_not(_QUESTIONS.validate_json(sys.stdin.buffer.read())), sys.stdout)
