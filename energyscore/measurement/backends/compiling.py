"""Compiling what a model runs by torch.compile, and whether this machine can."""

from typing import Any

import torch

from energyscore.base.errors import UnsupportedError


def check_compiler(device: str) -> None:
    """An UnsupportedError where torch.compile finds no compiler."""
    remedy = "Leave it out, or install it: "
    if device != "cpu" and not torch.utils._triton.has_triton():
        raise UnsupportedError(
            "--compile needs triton, which is not there.", f"{remedy}pip install triton"
        )
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise UnsupportedError(
            "--compile needs a C++ compiler, and none was found.", f"{remedy}apt install g++"
        ) from None


def compile_model(model: Any) -> None:
    """Let torch.compile make what calls of a model run; it is made at the first of them."""
    model.compile(dynamic=True)
    encoder = model.get_encoder() if getattr(model.config, "is_encoder_decoder", False) else None
    if isinstance(encoder, torch.nn.Module) and encoder is not model:
        encoder.compile(dynamic=True)  # generation calls it by itself
