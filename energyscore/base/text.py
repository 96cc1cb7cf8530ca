"""Names come from files of others: made harmless for each format that they are written into."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TURNING = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_USER = re.compile(r"(?<=://)(?:[^\s/@:]+:[^\s]+?@(?=[^\s@]*(?:\s|$))|[^\s/@]+@)")
_QUERY = re.compile(
    r"(?i)([?&][\w.-]*(?:token|key|secret|password|credential|signature|sig)[\w.-]*=)[^\s&#'\"<>]+"
)
SECRET_NAME = r"[\w.-]*(?:(?:api|access|secret)[-_]?keys?|token|secrets?|passwords?|credentials?)"
"""What an option, a setting or a variable that holds a secret is called, whatever its case."""
_OPTION = re.compile(
    rf"(--(?i:{SECRET_NAME})(?:=|\s+)|\b(?:[A-Z0-9]+_)*(?:API_?KEY|TOKEN|SECRET|PASSWORD)=)"
    r"(?!-)[^\s'\"]+"
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
_CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_TURNING}]+")
_BEYOND_ASCII = re.compile(rf"[\x7f-\x9f\u2028\u2029{_TURNING}]")
_COMMAND = re.compile(r":(?=:)|#(?=#\\?\[)")
_FORMULA = ("=", "+", "-", "@")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKDOWN = re.compile(r"[&<>|`*\[\]\\~#@!^$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINK = re.compile(r"(?i)(?<=http|\Wftp|ttps):(?=//)|(?<=\bwww)\.")


def without_passwords(text: str) -> str:
    """Addresses without who asks and by which password or token, as proxies and links have them.

    And options and variables without their keys. All that is said or kept of an error, and every
    line that is printed, comes through here.
    """
    text = _QUERY.sub(r"\1***", _USER.sub("***@", text))
    return _BEARER.sub(r"\1***", _OPTION.sub(r"\1***", text))


def one_line(text: str) -> str:
    """Without line ends and other characters that move the cursor or turn the writing's way."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", without_passwords(text))).strip()


def first_of(things: Sequence[object], most: int = 5) -> str:
    """The first few of many, and whether there are more: `1, 2, 3, ...`."""
    return ", ".join(map(str, things[:most])) + (", ..." if len(things) > most else "")


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is: no markup, link, mention, or end of a table's cell."""
    entities = _MARKDOWN.sub(_entity, one_line(text))
    return _LINK.sub(_entity, entities)


def markdown_table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table; its cells stand as they are given."""
    head, *body = (f"| {' | '.join(cells)} |" for cells in (columns, *rows))
    return [head, "|" + "---|" * len(columns), *body]


def xml_text(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold; its writer escapes the others."""
    return _NOT_XML.sub("\ufffd", text)


def terminal_text(text: str) -> str:
    """Text for a terminal or a log, where GitHub takes `::name::` and `##[name]` for commands."""
    return _COMMAND.sub(lambda found: f"{found[0]}\u200b", one_line(text))


def terminal_lines(text: str) -> str:
    """Text of several lines for a terminal: as `terminal_text`, with blanks and line ends kept."""
    plain = without_passwords(text).split("\n")
    lines = (_SURROGATE.sub("\ufffd", _CONTROL.sub(" ", line)) for line in plain)
    return _COMMAND.sub(lambda found: f"{found[0]}\u200b", "\n".join(lines))


def csv_text(text: str) -> str:
    """Text for a cell of a CSV, which no spreadsheet takes for a formula.

    They look past blanks and invisible characters, and take `=` of full width for the narrow one.
    """
    if text.isascii() and text.isprintable() and text[:1].isalnum():
        return text
    plain = one_line(text)
    first = next((char for char in plain if unicodedata.category(char)[0] not in "CZ"), "")
    return f"'{plain}" if unicodedata.normalize("NFKC", first)[:1] in _FORMULA else plain


def csv_table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """A CSV with a header, as UTF-8 with plain line ends; a cell is empty where a value is None."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A spreadsheet must not take a name for a formula, nor a missing figure for 0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return csv_text(value) if isinstance(value, str) else value


def json_bytes(content: object) -> bytes:
    """JSON as we write it: indented, without NaN, with a line end."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def json_text(text: str) -> str:
    """JSON that means the same, without characters that a terminal would act upon."""
    return _BEYOND_ASCII.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def command_data(text: str) -> str:
    """The message of a GitHub workflow command, which is one line."""
    plain = _SURROGATE.sub("\ufffd", text)
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of a GitHub workflow command."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"
