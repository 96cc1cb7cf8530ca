"""Keys and passwords in commands and in what programs write: nothing that is kept has them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from energyscore.base.text import SECRET_NAME, without_passwords

MASK = "***"
_OPTION = re.compile(rf"(?i)(--?{SECRET_NAME})(=?)")
_SETTING = re.compile(rf"(?i)({SECRET_NAME}=)(.+)")
_LEAST = 4  # characters of a value that is looked for in texts: shorter ones stand in any


def masked_command(words: Sequence[str]) -> tuple[list[str], set[str]]:
    """The words of a command without its secrets, and the secrets.

    They are the values of options such as `--api-key`, all up to the next option, and of settings
    such as `HF_TOKEN=...`.
    """
    masked, secrets, hiding = [], set(), False
    for word in words:
        name, equals, value = word.partition("=")
        is_option = name.startswith("-")
        if equals and (_OPTION if is_option else _SETTING).fullmatch(name if is_option else word):
            secrets.add(value)
            masked.append(f"{name}={MASK}")
            hiding = False
        elif hiding and not is_option:
            secrets.add(word)
            masked.append(MASK)
        else:
            hiding = is_option and bool(_OPTION.fullmatch(name)) and not equals
            masked.append(word)
    return [without(secrets, word) for word in masked], secrets


def secrets_in(environment: Mapping[str, str]) -> set[str]:
    """The values of environment variables that are secrets by their names."""
    named = re.compile(f"(?i){SECRET_NAME}")
    return {value for name, value in environment.items() if named.fullmatch(name)}


def without(secrets: Iterable[str], text: str) -> str:
    """A text without these secrets, and without all that shows itself as one."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LEAST:
            text = text.replace(secret, MASK)
    return without_passwords(text)
