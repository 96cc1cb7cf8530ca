"""Compiling what a model runs by torch.compile, and whether this machine can."""

from typing import Any

import torch
from torch._dynamo.utils import calculate_time_spent, counters

from energyscore.base.errors import UnsupportedError
from energyscore.results.compilation import Compilation


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


def compile_model(model: Any, backend: str = "inductor") -> Compilation:
    """Let torch.compile make what calls of a model run, at the first of them.

    It is made for any length and number of texts at once: made for each by itself, it would be made
    again and again, and after eight times no more, in silence. What was compiled before is given.
    """
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    model.compile(dynamic=True, backend=backend)
    config = getattr(model, "config", None)
    encoder = model.get_encoder() if getattr(config, "is_encoder_decoder", False) else None
    if isinstance(encoder, torch.nn.Module) and encoder is not model:
        encoder.compile(dynamic=True, backend=backend)  # generation calls it by itself
    return _compiled()


def compiled_since(before: Compilation) -> Compilation:
    """What torch.compile has made in this process since then."""
    now = _compiled()
    return Compilation(
        seconds=now.seconds - before.seconds,
        graphs=now.graphs - before.graphs,
        breaks=now.breaks - before.breaks,
    )


def _compiled() -> Compilation:
    return Compilation(
        seconds=float(calculate_time_spent().get("entire_frame_compile", 0.0)),
        graphs=counters["stats"]["unique_graphs"],
        breaks=sum(counters["graph_break"].values()),
    )
