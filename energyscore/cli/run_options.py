"""What `energyscore run` is given, as the options of a measurement."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from energyscore.cli.options import as_option, measuring

if TYPE_CHECKING:
    from energyscore.measurement.options import RunOptions


when_loading = partial(typer.Option, rich_help_panel="Loading models", show_default=False)

BaseModel = Annotated[
    str | None,
    when_loading(
        metavar="ID|DIR|builtin:NAME",
        help="The model that --model was made from. Of an adapter (LoRA and the like) both are "
        "loaded, the adapter unmerged; that needs the extra peft. Of a whole model its name is "
        "kept as the parent. Default: the model card's base_model.",
    ),
]
BaseRelation = Annotated[
    Literal["quantized", "adapter", "merge", "finetune", "distilled", "pruned"] | None,
    when_loading(help="How --model was made from --base-model. Default: as the model card says."),
]
Dtype = Annotated[
    Literal["auto", "float32", "float16", "bfloat16"],
    when_loading(help="Precision; auto: as the task's protocol says.", show_default=True),
]
Quantization = Annotated[
    Literal[
        "none", "int8", "int8-dynamic", "int4", "fp8", "fp8-weight-only", "nf4", "fp4", "llm-int8"
    ]
    | None,
    when_loading(
        help="Quantize the weights while they are loaded: the first five by torchao, the others "
        "by bitsandbytes (the extra quantize); int4 and fp8 need a GPU. Default: none, the "
        "weights are as the model has them."
    ),
]
Attention = Annotated[
    Literal["eager", "sdpa", "flash_attention_2"] | None,
    when_loading(help="The implementation of attention. Default: the model's own."),
]
Compile = Annotated[
    bool,
    when_loading(
        "--compile",
        help="Compile what runs by torch.compile. The time that it takes is part of the warm-up.",
    ),
]
By = Annotated[
    Literal["head", "generate"] | None,
    when_loading(
        help="How a model classifies or answers: by a head in one pass, or by writing. Default: "
        "the head that it was saved with, else writing, if it can."
    ),
]
Spread = Annotated[
    int | None,
    when_loading(
        metavar="N",
        min=1,
        help="Divide the model over exactly N GPUs; only for classes that may use several (C). "
        "Default: over as few as hold it, and over one in all other classes.",
    ),
]
AskLoading = Annotated[
    bool,
    measuring(
        "--loading",
        help="First load the model in processes of their own, metered: time and energy from the "
        "start of a process, and idle power. `energyscore schedule` needs it.",
    ),
]
AskQuality = Annotated[
    bool,
    measuring(
        "--quality",
        help="After the runs, unmetered, judge the model's answers by the task's metric on "
        "rows with references. It stands beside the energy and enters no score.",
    ),
]
LabelsFile = Annotated[
    str | None,
    measuring(
        metavar="FILE",
        help="With --quality: JSON with the dataset's label for each of the model's. Default: "
        "labels are matched by their names.",
    ),
]
ClipModel = Annotated[
    str | None,
    measuring(
        metavar="ID|DIR",
        help="With --quality of images that are made: the CLIP model that judges them, a folder "
        "or one in the hub's cache. Default: openai/clip-vit-large-patch14, if it is there.",
    ),
]

Screen = Annotated[
    bool,
    measuring(
        "--screen",
        help="Measure a chosen part of the queries and predict the rest, until --until is "
        "decided: a few hundredths of the work. Never official.",
    ),
]
Until = Annotated[
    str | None,
    measuring(
        metavar="half-width=2%|star=99%|FIGURE<=LIMIT",
        help="What a screen goes on until: the half-width of its interval, the probability of "
        "its star in the default reference, or on which side of a limit it is. Default: "
        "half-width=2%.",
    ),
]
Budget = Annotated[
    str | None,
    measuring(
        metavar="TIME",
        help="The most time that a screen takes, such as 5m; it says what is open then.",
    ),
]


PowerLimit = Annotated[
    str | None,
    measuring(
        metavar="WATTS",
        help="Limit each metered GPU to this power while it is measured, such as 250; then what "
        "was set before is put back. It takes root. Default: as it is set.",
    ),
]


class ReasoningMode(StrEnum):
    """How models are asked to reason. An enumeration: Typer takes no lists of literals."""

    default = "default"
    off = "off"
    low = "low"
    medium = "medium"
    high = "high"
    on = "on"


Reasoning = Annotated[
    list[ReasoningMode] | None,
    measuring(
        help="A mode to reason in, for the task reasoning: each is a result of its own. "
        "Repeatable. Default: default, what the model does unasked."
    ),
]
IdleTime = Annotated[
    float | None,
    measuring(
        metavar="SECONDS",
        min=0,
        max=3600,
        help="How long to meter the idle GPU, without and with the model. Default: 30, 0 with "
        "--quick.",
    ),
]
OfficialProtocol = Annotated[
    Literal["v1", "v2"],
    measuring(
        help="The official method: v1 takes the likeliest token and forces lengths; v2 samples at "
        "temperature 0.7 and forces none, in text generation and reasoning.",
        show_default=True,
    ),
]
MaxNewTokens = Annotated[
    int | None,
    measuring(
        metavar="N",
        min=1,
        help="The most tokens of an answer, for the task reasoning. Default: the task's "
        "usual ones, 64 with --quick.",
    ),
]


def parse_repeats(text: str) -> int | str:
    """A number of runs, or `auto`."""
    text = text.strip().lower()
    if text == "auto":
        return text
    if re.fullmatch("[0-9]{1,7}", text) and 1 <= int(text) <= 10**6:
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither a number of runs from 1 on nor auto.")


def options_of(given: Mapping[str, Any]) -> "RunOptions":
    """The options that the command line gives, by their names."""
    from energyscore.base.errors import UsageError
    from energyscore.measurement.options import RunOptions, read_options

    content = {
        name: [str(one) for one in value] if isinstance(value, list | tuple) else value
        for name in RunOptions.model_fields
        if (value := given[name]) not in (None, [], ()) and value is not False
    }
    options = read_options(content, "energyscore run", as_option)
    if problem := options.problem(as_option):
        raise UsageError(f"energyscore run: {problem}.", "See `energyscore run --help`.")
    return options


def read_settings(texts: Sequence[str] | None) -> "RunOptions":
    """Options from `name=value`, values as in a list."""
    from energyscore.base.errors import UsageError
    from energyscore.base.yaml_text import YamlError, read_yaml
    from energyscore.measurement.options import read_options

    content: dict[str, object] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: it is no OPTION=VALUE, such as quick=true.")
        try:
            content[name.strip().replace("-", "_")] = read_yaml(value).content
        except YamlError as error:
            raise UsageError(f"--set {text}: the value cannot be read: {error}.") from error
    return read_options(content, "--set")
