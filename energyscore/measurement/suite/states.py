"""What a row of an official list says of reasoning: its state, and words on the chat template.

The two columns say one thing twice: the state whether the model is to reason, the chat template by
which setting it is told. The settings come in several spellings and in prose. What counts here is
the mode that they ask for; how a model is asked for it is known by its family, not by the list.
"""

import re
import textwrap

from energyscore.protocol.task import Mode

BLANK = {"", "n/a", "na", "none", "-"}
"""What cells say that say nothing."""

_STATE = re.compile(r"(on|off)(?:\((high|medium|low|n/a)\))?")
_VALUE = r"\s*[:=]\s*[\"']?"
_LEVELS: dict[str, Mode] = {"low": "low", "medium": "medium", "high": "high"}
_SWITCH: dict[str, Mode] = {"true": "on", "false": "off"}
_SETTINGS: dict[str, dict[str, Mode]] = {
    rf"\breasoning(?:_effort)?{_VALUE}(off|low|medium|high)\b": {"off": "off", **_LEVELS},
    rf"\b(?:reasoning|enable_thinking|thinking){_VALUE}(true|false)\b": _SWITCH,
    r"(?<![\w<])/(think|no_think)\b": {"think": "on", "no_think": "off"},
    r"\b(prepend)\w*\b[^.]*<think>": {"prepend": "on"},
    r"\bonly (thinking) mode": {"thinking": "on"},
    r"\bonly (?:instruct \()?(non-thinking)\)? mode": {"non-thinking": "off"},
}
"""Patterns of what the chat template's column says, and what each of their words asks for."""

_HEADING = re.compile(r"\breasoning_params\s*:", re.IGNORECASE)
_UNKNOWN_SETTING = re.compile(r"\w+\s*=\s*\S|\b\w+_\w+\s*:\s*\S")


def mode_of_row(state: str, template: str) -> tuple[Mode | None, str]:
    """The mode that a row asks for (None: none), and what is wrong, else empty.

    The state is such as `Off (N/A)` or `On (High)`. A chat template `default` takes the template as
    it is: the mode `default`, where the state is `On`.
    """
    said, plain = _mode_of_state(state), template.strip().lower()
    if said is None and state.lower() not in BLANK:
        return None, f"the reasoning state {state!r} is not known"
    if plain in BLANK | {"default", "n/a (default)"}:
        return ("default" if (said, plain) == ("on", "default") else said), ""
    asked, rest = _read_template(template)
    short = textwrap.shorten(template, 90, placeholder=" ...")
    if not asked or _UNKNOWN_SETTING.search(rest):
        return None, f"the chat template {short!r} asks for what this version cannot do"
    modes = asked | ({said} if said else set())
    levels = modes.intersection(_LEVELS.values())
    if len(levels) > 1 or ("off" in modes and len(modes) > 1):
        return None, f"the reasoning state says {state!r}, the chat template {short!r}"
    return next(iter(levels or modes)), ""


def _mode_of_state(text: str) -> Mode | None:
    found = _STATE.fullmatch(text.lower().replace(" ", ""))
    if found is None:
        return None
    return "off" if found[1] == "off" else _LEVELS.get(found[2] or "", "on")


def _read_template(text: str) -> tuple[set[Mode], str]:
    """The modes that its words ask for, and the text without these words."""
    asked: set[Mode] = set()
    rest = _HEADING.sub("", text)
    for pattern, modes in _SETTINGS.items():
        words = re.compile(pattern, re.IGNORECASE)
        asked |= {modes[found[1].lower()] for found in words.finditer(rest)}
        rest = words.sub("", rest)
    return asked, rest
