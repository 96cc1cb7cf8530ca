"""The command that starts a server: its words, and what tells its work from another's."""

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import UsageError
from energyscore.base.masking import masked_command
from energyscore.base.stamps import digest_of
from energyscore.measurement.server.abilities import Abilities
from energyscore.measurement.server.served import told_apart_by
from energyscore.measurement.server_asked import LoadAsked, ServerAsked
from energyscore.results.load import Lengths
from energyscore.results.result import Result

_STEERING = (
    *("VLLM_", "SGLANG_", "SGL_", "OLLAMA_", "LLAMA_", "GGML_", "CUDA_", "NVIDIA_", "NCCL_"),
    *("HIP_", "OMP_", "MKL_", "TORCH", "PYTORCH_", "TRITON_", "TRANSFORMERS_", "RAY_"),
)
"""What begins the names of environment variables by which servers are told how to work."""


@dataclass(frozen=True)
class StartCommand:
    """A command without its secrets.

    Attributes:
        start: what tells it from one that would start another server: its words, the files that
            they name, and the variables by which servers are told how to work.
    """

    text: str
    start: str


def command_of(launch: str) -> StartCommand:
    """A command as results keep it, and what tells it apart now."""
    masked, _ = masked_command(words := words_of(launch))
    return StartCommand(shlex.join(masked), digest_of([masked, _environment(), _files(words)]))


def recorded(
    result: Result, asked: ServerAsked, command: StartCommand, load: LoadAsked | None
) -> Iterator[list[object]]:
    """What told the server of a result apart, if this command started it.

    Whether lengths could have been forced it does not say where none were to be.
    """
    part = result.load
    if part is None or (part.launched, part.tokenizer) != (command.text, asked.tokenizer):
        return
    lengths: tuple[Lengths, ...] = ("forced", "actual")
    for one in lengths:
        can = Abilities(
            part.endpoint,
            lengths=one,
            prompts=part.prompts,
            version=part.version,
            tokens_by=part.tokens_by,
        )
        model, tokenizer = result.model.id, part.tokenizer
        yield told_apart_by(None, model, load, command.start, can, tokenizer)


def words_of(command: str) -> list[str]:
    """The words of a command as a shell has them; no shell is started."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--launch: it cannot be read: {error}.") from None
    if not words:
        raise UsageError("--launch: no command.", "Give it as one word, such as 'vllm serve DIR'.")
    if shutil.which(words[0]) is None:
        raise UsageError(
            f"--launch: there is no program {masked_command(words[:1])[0][0]}.",
            "Name it as a shell finds it; variables are set by `env NAME=VALUE` before it.",
        )
    return words


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_STEERING)}


def _files(words: Sequence[str]) -> list[object]:
    """What lies in the files and folders that a command names: another model is other work."""
    found: list[object] = []
    for word in words[1:]:
        path = Path(word.partition("=")[2] if word.startswith("-") else word)
        with contextlib.suppress(OSError, ValueError):
            if path.name and path.exists():
                files = sorted(path.iterdir()) if path.is_dir() else [path]
                stats = [(one.name, one.stat()) for one in files]
                found += [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return found
