"""Image generation with the pipelines of diffusers."""

import inspect
import zlib
from collections.abc import Sequence
from typing import Any

import torch

from energyscore.base.errors import ModelError, TaskError, UnsupportedError
from energyscore.base.packages import needed_by
from energyscore.measurement.backend import Batch, BatchOutput, CutInputs, EnterPhase, Gpus
from energyscore.measurement.backends.base import ModelBackend
from energyscore.measurement.backends.devices import occupied_gpus
from energyscore.measurement.backends.failures import loading_errors, translated_errors
from energyscore.measurement.backends.memory import forget_peak
from energyscore.measurement.backends.processors import NO_LIMIT
from energyscore.protocol.model import ModelFacts, ModelSpec
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query

_NEEDED = ("prompt", "generator", "num_inference_steps", "num_images_per_prompt")


class ImageGeneration(ModelBackend):
    """`call` is the pipeline's call: from the prompt to the image.

    `preprocess` makes each prompt's source of noise ready, and counts its tokens.
    """

    phases = ("preprocess", "call")
    inference_mode = False  # pipelines turn gradients off themselves
    _tokenizer: Any = None

    def load(
        self, spec: ModelSpec, task: TaskSpec, device: str, gpus: Gpus | None = None
    ) -> ModelFacts:
        """Load the pipeline with all its parts, onto one GPU."""
        if gpus is not None and (gpus.spread or 1) > 1:
            raise UnsupportedError(
                f"--spread {gpus.spread}: pipelines that make images are put on one GPU.",
                "Leave it out.",
            )
        if task.diffusion is None:
            raise TaskError(
                f"The task {task.id} has no `diffusion`, which says how many steps an image takes.",
                "tasks/image_generation.yaml shows it, and the phase `call`.",
            )
        with translated_errors(f"The model {spec.label}"), loading_errors(spec):
            with needed_by(f"The task {task.id}"):
                from energyscore.measurement.backends.pipelines import load_pipeline, modules_of
            self.model, facts = load_pipeline(spec, task, device)
            _check_call(self.model, spec)
        self._gpus = occupied_gpus(modules_of(self.model))
        forget_peak(self._gpus)
        parts = self.model.components
        self._tokenizer = parts.get("tokenizer") or parts.get("prior_tokenizer")
        self._device = device
        self._images = task.diffusion.images
        # A pipeline of two stages takes them for the second; the first keeps its own.
        self._settings = {
            "num_inference_steps": task.diffusion.steps,
            "num_images_per_prompt": task.diffusion.images,
        }
        return facts

    def _modules(self) -> list[Any]:
        from energyscore.measurement.backends.pipelines import modules_of

        return [modules_of(self.model)]

    def _cut_inputs(self, queries: Sequence[Query]) -> CutInputs | None:
        """Prompts that no text encoder of the pipeline takes whole."""
        parts = self.model.components
        tokenizers = [part for name, part in parts.items() if "tokenizer" in name and part]
        longest = max(tokenizers, key=lambda one: one.model_max_length, default=None)
        if longest is None or longest.model_max_length >= NO_LIMIT:
            return None
        limit = int(longest.model_max_length)
        tokens = [
            [len(longest(query["prompt"], truncation=False, verbose=False)["input_ids"])]
            for query in queries
        ]
        return CutInputs.of(tokens, limit, "tokens")

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        prompts = [query["prompt"] for query in queries]
        # The noise is the prompt's own: every repeat, in whatever order, does the same work.
        seeds = [zlib.crc32(p.encode()) + i for p in prompts for i in range(self._images)]
        noise = [torch.Generator(self._device).manual_seed(seed) for seed in seeds]
        tokens = 0
        if self._tokenizer is not None:
            tokens = sum(map(len, self._tokenizer(prompts, truncation=True)["input_ids"]))
        return Batch({"prompt": prompts, "generator": noise}, len(queries), tokens)

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("call")
        images = self.model(**batch.inputs, **self._settings).images
        if len(images) != batch.queries * self._images:
            raise ModelError(
                f"The model made {len(images)} images of {batch.queries} queries, not "
                f"{self._images} of each."
            )
        return BatchOutput(0, images)

    def _said(self, output: BatchOutput) -> list[Any]:
        """The images of each query."""
        places = range(0, len(output.values), self._images)
        return [list(output.values[place : place + self._images]) for place in places]


def _check_call(pipeline: Any, spec: ModelSpec) -> None:
    """The protocol can be kept only with pipelines that let steps, images and noise be set."""
    known = inspect.signature(type(pipeline).__call__).parameters
    lacking = [name for name in _NEEDED if name not in known]
    if lacking:
        raise ModelError(
            f"The model {spec.label} is a {type(pipeline).__name__}, which takes no "
            f"{' and no '.join(lacking)}: the task cannot be done with it."
        )
