"""Which implementation of attention a model uses, and whether it can use the one asked for."""

import contextlib
import importlib.util
from typing import Any

import torch
from transformers.utils import is_flash_attn_2_available

from energyscore.base.errors import ModelError, UnsupportedError, UsageError
from energyscore.protocol.model import ModelSpec

_FLASH = "flash_attention_2"
_HALF = (torch.float16, torch.bfloat16)


def check_attention(
    spec: ModelSpec, auto_class: Any, config: Any, device: str, dtype: torch.dtype
) -> dict[str, str]:
    """The option of loading that asks for an implementation of attention; none for the model's own.

    Raises:
        UnsupportedError: when the machine does not allow it, or lacks the package.
        UsageError: when the precision does not allow it.
        ModelError: when the model does not have it.
    """
    if spec.attention is None:
        return {}
    if spec.attention == _FLASH:
        _check_flash(device, dtype)
    asked: dict[str, str] = {"attn_implementation": spec.attention}
    # Code of its own may look at its numbers while it is built, and there are none: it goes on.
    with contextlib.suppress(RuntimeError), torch.device("meta"):
        try:
            auto_class.from_config(config, trust_remote_code=spec.trust_remote_code, **asked)
        except (ValueError, ImportError):
            raise ModelError(
                f"--attention {spec.attention}: the model {spec.label} does not have it.",
                "Leave it out, or take another one (eager, sdpa).",
            ) from None
    return asked


def _check_flash(device: str, dtype: torch.dtype) -> None:
    others = "Leave it out, or take sdpa."
    if device == "cpu":
        raise UnsupportedError(f"--attention {_FLASH} needs an NVIDIA GPU.", others)
    if dtype not in _HALF:
        given = str(dtype).removeprefix("torch.")
        raise UsageError(
            f"--attention {_FLASH} computes in float16 or bfloat16, not in {given}.",
            "Add --dtype bfloat16.",
        )
    if not is_flash_attn_2_available() and importlib.util.find_spec("kernels") is None:
        raise UnsupportedError(
            f"--attention {_FLASH} needs flash-attn, which is not installed.",
            "Install it: pip install flash-attn --no-build-isolation",
        )


def attention_of(model: Any) -> tuple[str | None, str | None]:
    """The implementation that a loaded model uses, and the one that it takes by itself.

    None for a model without attention. Where its parts use several, all are named.
    """
    if not any("attention" in type(part).__name__.lower() for part in model.modules()):
        return None, None
    configs = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}
    names = (getattr(config, "_attn_implementation", None) for config in configs.values())
    used = " and ".join(sorted({name for name in names if isinstance(name, str)})) or None
    choose = getattr(model, "get_correct_attn_implementation", None)
    return used, choose(None) if choose else None
