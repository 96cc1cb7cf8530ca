"""Failures of the libraries, turned into errors that name what, where and how to mend it."""

import contextlib
from collections.abc import Iterator
from pickle import UnpicklingError
from zipfile import BadZipFile

import torch
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    StrictDataclassError,
)
from jinja2 import TemplateError
from safetensors import SafetensorError

from energyscore.base.errors import EnergyScoreError, ModelError, OutOfMemory, UnsupportedError
from energyscore.base.packages import missing_package
from energyscore.measurement.backends.published import pickles_refused
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.weight_files import PICKLE_REMEDY

_LOADING_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    ImportError,
    KeyError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    UnpicklingError,
    BadZipFile,
    SafetensorError,
    StrictDataclassError,
    HfHubHTTPError,
    TemplateError,
)
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@contextlib.contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """Turn a lack of memory and a failing device into errors with a remedy."""
    try:
        yield
    except EnergyScoreError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(what) from error
    except RuntimeError as error:
        text = str(error)
        if any(sign in text.lower() for sign in _NO_MEMORY):
            raise _out_of_memory(what) from error
        if "CUDA" in text:
            raise UnsupportedError(f"{what}: the GPU failed: {_first_line(error)}") from error
        raise ModelError(f"{what} failed: {_first_line(error)}") from error
    except (IndexError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{what} failed: {type(error).__name__}: {_first_line(error)}") from error


@contextlib.contextmanager
def loading_errors(spec: ModelSpec) -> Iterator[None]:
    """Say what is wrong with a model that cannot be loaded, and how to mend it."""
    try:
        with pickles_refused(spec):
            yield
    except (EnergyScoreError, torch.OutOfMemoryError):
        raise
    except _LOADING_ERRORS as error:
        text = _first_line(error)
        if any(sign in str(error).lower() for sign in _NO_MEMORY):
            raise
        chain = list(_chain(error))
        if ours := next((one for one in chain if isinstance(one, EnergyScoreError)), None):
            raise ours from None  # diffusers wraps what its files raise
        if any(isinstance(one, GatedRepoError) for one in chain):
            message, remedy = "is gated", "Accept its terms on the hub and set HF_TOKEN."
        elif any(isinstance(one, RevisionNotFoundError) for one in chain):
            message, remedy = f"has no revision {spec.revision!r}", "Check --revision."
        elif any(isinstance(one, RepositoryNotFoundError) for one in chain):
            message = "is not on the hub (or is private)"
            remedy = "Check the id; for a private one set HF_TOKEN."
        elif not spec.allow_pickle and "safetensors" in text and _names_no_file(text):
            message, remedy = "has no safetensors weights", PICKLE_REMEDY
        elif "trust_remote_code" in str(error):
            message, remedy = "needs its own code to run", "Allow it with --trust-remote-code."
        elif missing := missing_package(error, f"The model {spec.label}"):
            raise missing from error
        elif isinstance(error, ImportError):
            message, remedy = f"needs a package that is missing: {text}", ""
        elif any(isinstance(one, UnpicklingError | EOFError) for one in chain):
            message = "has a pickle that torch will not open: it is broken, or holds code"
            remedy = "Do not trust it; take the weights as safetensors."
        elif any(isinstance(one, SafetensorError) for one in chain):
            message = f"has corrupt weights: {text}"
            remedy = "Download or save it again."
        else:
            message, remedy = f"cannot be loaded: {text}", _offline_remedy(spec)
        raise ModelError(f"The model {spec.label} {message}.", remedy) from error


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


def _out_of_memory(what: str) -> OutOfMemory:
    return OutOfMemory(
        f"{what} does not fit into memory.",
        "Lower --batch-size, choose --dtype bfloat16, take a smaller model, or put one of a class "
        "that may use several GPUs on more of them (--spread).",
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".")[:300] if lines else type(error).__name__
