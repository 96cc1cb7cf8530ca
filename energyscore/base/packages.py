"""Packages that are not installed: what needs them, and the line that installs them.

Judging and publishing need few packages, measuring many, and some parts are extras. Each of them is
imported where it is used; what is missing there is said by this module alone.
"""

import contextlib
from collections.abc import Iterator

from energyscore.base.errors import UnsupportedError

PACKAGES = {
    **{module: module for module in ("accelerate", "codecarbon", "datasets", "pandas", "psutil")},
    **{
        module: module
        for module in ("httpx2", "huggingface_hub", "soundfile", "torch", "transformers")
    },
    **{module: module for module in ("pyarrow", "sentencepiece")},
    "PIL": "pillow",
    "google": "protobuf",
    "pynvml": "nvidia-ml-py",
    "diffusers": "energyscore[diffusion]",
    "peft": "energyscore[peft]",
    **{module: "energyscore[quantize]" for module in ("bitsandbytes", "torchao")},
    **{module: "energyscore[quality]" for module in ("jiwer", "pycocotools", "rouge_score")},
    "sacrebleu": "energyscore[quality]",
    "ray": "energyscore[ray]",
    "reportlab": "energyscore[label]",
    "resvg_py": "energyscore[label]",
    "submitit": "energyscore[slurm]",
}
"""What may be missing, by the module that is imported, and what pip installs it by."""


class MissingPackage(UnsupportedError):
    """A package that something needs is not installed here."""


@contextlib.contextmanager
def needed_by(what: str) -> Iterator[None]:
    """Say what a package that cannot be imported within is needed by: `Labels as PNG`."""
    try:
        yield
    except ImportError as error:
        if missing := missing_package(error, what):
            raise missing from error
        raise


def missing_package(error: BaseException, what: str = "This") -> MissingPackage | None:
    """The error to show for an import that failed; None where none of our packages is missing."""
    name = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    module = name.partition(".")[0]
    return without(module, what) if module in PACKAGES else None


def without(module: str, what: str) -> MissingPackage:
    """The error to show for a module of `PACKAGES` that is not there."""
    package = PACKAGES[module]
    quoted = f"'{package}'" if "[" in package else package
    return MissingPackage(
        f"{what} needs {module}, which is not installed.", f"Install it: pip install {quoted}"
    )
