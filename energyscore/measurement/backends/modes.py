"""Which modes of reasoning a model can be asked for: by its configuration and tokenizer alone."""

from collections.abc import Iterable
from typing import Any

from energyscore.base.errors import EnergyScoreError
from energyscore.measurement.backends.chat import Chat
from energyscore.measurement.backends.failures import loading_errors, translated_errors
from energyscore.measurement.backends.loading import Blueprint, read_blueprint
from energyscore.measurement.backends.processors import load_tokenizer
from energyscore.protocol.bundled import chat_template
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import Mode, TaskSpec


def chat_of(blueprint: Blueprint, tokenizer: Any, mode: Mode) -> Chat:
    """How a model is asked in a mode.

    Raises:
        ModelError: when it cannot be.
    """
    if blueprint.architecture is not None:
        tokenizer.chat_template = chat_template()
    return Chat(tokenizer, blueprint.config.model_type, blueprint.spec.label, mode)


def why_no_modes(spec: ModelSpec, task: TaskSpec, modes: Iterable[Mode]) -> dict[Mode, str]:
    """Why a model cannot be asked for some of these modes; no weights are loaded.

    A model whose configuration or tokenizer cannot be read is not judged: loading it will say why.
    """
    try:
        with translated_errors(f"The model {spec.label}"), loading_errors(spec):
            blueprint = read_blueprint(spec, task, "cpu")
            tokenizer = load_tokenizer(blueprint, padding_side="left", framed=False)
    except EnergyScoreError:
        return {}
    problems: dict[Mode, str] = {}
    for mode in modes:
        try:
            with loading_errors(spec):
                chat_of(blueprint, tokenizer, mode)
        except EnergyScoreError as error:
            problems[mode] = str(error)
    return problems
