"""Failures of the libraries, turned into errors that name what, where and how to mend it."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pickle import UnpicklingError

import torch
from huggingface_hub.errors import (
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError

from energyscore.base.errors import EnergyScoreError, ModelError, OutOfMemory, UnsupportedError
from energyscore.base.libraries import library_errors, named, said_by
from energyscore.base.packages import missing_package
from energyscore.measurement.backends.published import pickles_refused
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.weight_files import PICKLE_REMEDY

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@contextlib.contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """Turn all that fails in a library into one line: a lack of memory, a failing device, ..."""

    def explain(error: BaseException) -> EnergyScoreError:
        if lacks_memory(error):
            return OutOfMemory(
                f"{what} does not fit into memory.",
                "Lower --batch-size, choose --dtype bfloat16, take a smaller model, or put one of "
                "a class that may use several GPUs on more of them (--spread).",
            )
        if isinstance(error, RuntimeError) and "CUDA" in str(error):
            return UnsupportedError(f"{what}: the GPU failed: {said_by(error)}")
        plain = isinstance(error, RuntimeError)
        return ModelError(f"{what} failed: {said_by(error) if plain else named(error)}")

    with library_errors(explain):
        yield


@contextlib.contextmanager
def loading_errors(spec: ModelSpec) -> Iterator[None]:
    """Say what is wrong with a model that cannot be loaded, and how to mend it."""
    with library_errors(lambda error: _why_not_loaded(error, spec)), pickles_refused(spec):
        yield


def _why_not_loaded(error: BaseException, spec: ModelSpec) -> EnergyScoreError | None:
    """What is wrong with a model; None for a lack of memory, which is no fault of the model's."""
    if lacks_memory(error):
        return None
    chain = list(_chain(error))
    if ours := next((one for one in chain if isinstance(one, EnergyScoreError)), None):
        return ours  # diffusers wraps what its files raise
    if missing := missing_package(error, f"The model {spec.label}"):
        return missing
    message, remedy = _fault_of(error, chain, spec)
    return ModelError(f"The model {spec.label} {message}.", remedy)


def _fault_of(
    error: BaseException, chain: Sequence[BaseException], spec: ModelSpec
) -> tuple[str, str]:
    """What is wrong with a model, and how to mend it."""

    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    text = said_by(error)
    if any_is(GatedRepoError):
        return "is gated", "Accept its terms on the hub and set HF_TOKEN."
    if any_is(RevisionNotFoundError):
        return f"has no revision {spec.revision!r}", "Check --revision."
    if any_is(RepositoryNotFoundError):
        return (
            "is not on the hub (or is private)",
            "Check the id; for a private one set HF_TOKEN.",
        )
    if not spec.allow_pickle and "safetensors" in text and _names_no_file(text):
        return "has no safetensors weights", PICKLE_REMEDY
    if "trust_remote_code" in str(error):
        return "needs its own code to run", "Allow it with --trust-remote-code."
    if found := _NO_SUCH_TASK.search(text):
        return f"is of a family that does not do this task (no {found[1]})", ""
    if isinstance(error, ImportError):
        return f"needs a package that is missing: {text}", ""
    if any_is(UnpicklingError, EOFError):
        return (
            "has a pickle that torch will not open: it is broken, or holds code",
            "Do not trust it; take the weights as safetensors.",
        )
    if any_is(SafetensorError):
        return f"has corrupt weights: {text}", "Download or save it again."
    return f"cannot be loaded: {text}", _offline_remedy(spec)


_NO_SUCH_TASK = re.compile(r"Unrecognized configuration class .* kind of AutoModel: (\w+)")


def _names_no_file(text: str) -> bool:
    """Whether it is the file that is missing, as transformers or diffusers put it."""
    return "file named" in text or "Could not find" in text


def _offline_remedy(spec: ModelSpec) -> str:
    import huggingface_hub.constants

    if spec.source == "hub" and huggingface_hub.constants.HF_HUB_OFFLINE:
        return (
            "The hub cannot be reached from here, and the model is not in the local cache: name "
            "a local folder, or a bundled architecture (`energyscore models`)."
        )
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def lacks_memory(error: BaseException) -> bool:
    """Whether it is memory that there is too little of, as libraries put it."""
    told = any(sign in str(error).lower() for sign in _NO_MEMORY)
    return told or isinstance(error, torch.OutOfMemoryError | MemoryError)
