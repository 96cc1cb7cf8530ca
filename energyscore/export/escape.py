"""Names come from files of others: made harmless for each format that they are written into."""

import re

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKDOWN = re.compile(r"[&<>|`*\[\]\\~#@!^$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINK = re.compile(r"(?i)(?<=http|\Wftp|ttps):(?=//)|(?<=\bwww)\.")


def one_line(text: str) -> str:
    """Without line ends and other characters that move the cursor or turn the writing's way."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text)).strip()


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is: no markup, link, mention, or end of a table's cell."""
    entities = _MARKDOWN.sub(_entity, one_line(text))
    return _LINK.sub(_entity, entities)


def xml_text(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold; its writer escapes the others."""
    return _NOT_XML.sub("\ufffd", text)


def terminal_text(text: str) -> str:
    """Text for a terminal or a log, where GitHub takes `::name::` and `##[name]` for commands."""
    return one_line(text).replace("::", ":\u200b:").replace("##[", "#\u200b#[")


def command_data(text: str) -> str:
    """The message of a GitHub workflow command, which is one line."""
    plain = _SURROGATE.sub("\ufffd", text)
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of a GitHub workflow command."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"
