"""The rules by their version, as data: a result is held against those that it was made by."""

import functools
import json
import re
from importlib import resources
from typing import Any

from energyscore.verify.strict_json import StrictModel

OLDEST, NEWEST = 1, 1
_OTHER_GPUS = {"ti", "super", "laptop", "mobile", "max", "d"}  # with such a word it is another one


class SizeClass(StrictModel):
    """A size class of a task."""

    name: str
    max_parameters_b: float | None
    max_gpus: int | None


class TaskRules(StrictModel):
    """What the protocol asks of one task."""

    version: int
    digest: str
    scale_task: str
    dataset: str
    queries: int
    repeats: int
    batch_size: int
    precision: list[str]
    phases: list[str]
    generation: dict[str, int | float | str] | None
    diffusion: dict[str, int | str] | None
    classes: list[SizeClass]

    def class_of(self, parameters: int, bits: int | None) -> str | None:
        """The size class; below 8 bits a parameter counts for less, as it needs less memory."""
        size_b = parameters * (min(8, bits) / 8 if bits else 1) / 1e9
        for one in self.classes:
            if one.max_parameters_b is None or size_b <= one.max_parameters_b:
                return one.name
        return self.classes[-1].name if self.classes else None

    def most_gpus(self, size: str | None) -> int | None:
        """How many GPUs a class may use; None: any number."""
        return next((one.max_gpus for one in self.classes if one.name == size), 1)


class SampledRules(StrictModel):
    """How the newer official method has models write, at the tasks that it changed."""

    tasks: list[str]
    generation: dict[str, int | float | str]


class GpuRules(StrictModel):
    """What a GPU can do at most, by the words of its name.

    Operations are of 16-bit numbers that are not sparse, bytes those of its memory.
    """

    name: str
    operations_per_s: float
    bytes_per_s: float


class Rules(StrictModel):
    """One version of the rules, see `rules-1.json`.

    `notices` are the codes of what meters notice in a run, `cautions` those of what is only told of
    a whole result; `counted_inputs` the tasks whose input has tokens. At most `most_lost` of the
    queries may be cut off; of the official ones, which have about `official_tokens` (a thousand of
    them), at least `least_read` must have been read, and whole they have `least_whole` at least, as
    no tokenizer makes fewer of them. `gpus` are known ones, the first whose words a name has;
    `any_gpu` is faster than all. `dense_decoders` are architectures whose whole weights work for
    every token, but for embeddings; the shares that work at least are `least_active_of_dense`, and
    `least_active` of all others.
    """

    rules_version: int
    gpu: str
    most_power_w: float
    most_gpu_power_w: float
    min_window_s: float
    most_warmup_s: float
    most_lost: float
    least_read: float
    least_whole: float
    official_tokens: dict[str, int]
    systematic: float
    scales: list[str]
    least_j_per_byte: float
    invalidating: list[str]
    notices: list[str]
    cautions: list[str]
    counted_inputs: list[str]
    attestations: dict[str, str]
    builtin: dict[str, int]
    gpus: list[GpuRules]
    any_gpu: GpuRules
    most_gpu_memory_mib: float
    dense_decoders: list[str]
    least_active_of_dense: float
    least_active: float
    sampled: SampledRules
    tasks: dict[str, TaskRules]

    def gpu_of(self, name: str) -> GpuRules:
        """What a GPU of this name can do at most."""
        words = _words_of(name)
        known = (one for one in self.gpus if _is_of(words, _words_of(one.name)))
        return next(known, self.any_gpu)

    def is_its_gpu(self, name: str) -> bool:
        """Whether a GPU of this name is the rules' GPU."""
        return set(self.gpu.lower().split()) <= set(name.lower().split())

    def task_of(self, name: str, digest: str) -> TaskRules | None:
        """The task of that name and definition; None for one of somebody's own."""
        task = self.tasks.get(name)
        return task if task is not None and task.digest == digest else None


@functools.cache
def load_rules(version: int) -> Rules | None:
    """The rules of that version, None where they are unknown here."""
    if not OLDEST <= version <= NEWEST:
        return None
    return Rules.model_validate(_data(f"verify/rules-{version}.json"))


@functools.cache
def grid_of(version: int, country: str) -> tuple[float | None, str]:
    """Grams of CO2 per kWh of a country, None where the table lacks it; and the table's name."""
    table = _data(f"verify/grid-{version}.json")
    g_per_kwh, year = table["countries"].get(country, (None, None))
    return g_per_kwh, table["source"] + (f", year {year}" if g_per_kwh is not None else "")


@functools.cache
def band_of(scale: str, task: str, size: str | None) -> tuple[float, float] | None:
    """The least and the greatest energy of a task and class in a reference, in Wh."""
    for band in _data(f"protocol/scales/{scale}.json")["bands"]:
        if (band["task"], band["model_class"]) == (task, size):
            return band["min_wh_per_1k_queries"], band["max_wh_per_1k_queries"]
    return None


@functools.cache
def uncertainty_of(scale: str) -> tuple[float, float]:
    """What a reference's meter errs by at most, and its devices differ by: shares of a figure."""
    stated = _data(f"protocol/scales/{scale}.json")["uncertainty"]
    return stated["systematic"], stated["device_spread"]


@functools.cache
def sensor_range(gpus: tuple[str, ...]) -> tuple[float, float]:
    """Between what the error of these GPUs' sensors lies, as a share of the energy."""
    table = _data("results/gpu_sensors.json")
    found = []
    for words in map(_words_of, gpus):
        of_name = (one for one in table["gpus"] if _is_of(words, _words_of(one["name"])))
        found.append(next(of_name, table["unknown"]))
    found = found or [table["unknown"]]
    return min(one["low"] for one in found), max(one["high"] for one in found)


def _words_of(name: str) -> frozenset[str]:
    return frozenset(re.findall("[a-z0-9]+", name.lower()))


def _is_of(words: frozenset[str], wanted: frozenset[str]) -> bool:
    return wanted <= words and not (words - wanted) & _OTHER_GPUS


def _data(path: str) -> dict[str, Any]:
    file = resources.files("energyscore") / path
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
