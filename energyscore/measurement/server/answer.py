"""What comes back of one request: its times, its tokens, and its text where that is wanted.

A piece of a stream is no token: tokens are the server's own count (`usage`). An answer is whole
only if the stream says how it ended and no error came in its middle.
"""

import json
import math
import operator
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

_MOST_TOKENS = 10**9
"""Of one request: what a server says beyond is no count."""

_ITS_END = 1
"""Some servers count the token that ends an answer, too."""

_NOT_READ = (ValueError, AttributeError, TypeError, KeyError, RecursionError, OverflowError)

_BEYOND, _MORE = 2, 1000
"""An answer of more pieces than so many times the tokens that were asked for, and more, has no end.
"""

LONGEST_TOLD = 300
"""Characters of what a server says of an error."""


@dataclass(frozen=True)
class Answer:
    """One request as it went; times are on the monotonic clock, in ns. `error`: empty if whole.

    Tokens are None where the server does not tell them.
    """

    sent_ns: int
    done_ns: int
    pieces_ns: tuple[int, ...] = ()  # when each piece of the answer came
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None  # of those read
    thinking_tokens: int | None = None  # of those written
    finish: str | None = None
    error: str = ""
    status: int = 200
    text: str = ""  # what was said, without thoughts beside it; empty unless it is kept
    thoughts: str = ""  # those that stand beside the text, likewise
    similarity: float | None = None  # of two texts by their embeddings, likewise
    asked: Mapping[str, Any] | None = None  # the fields of the request, likewise
    due_ns: int | None = None  # when an open loop was to send it; None: it was sent when it could

    @property
    def asked_ns(self) -> int:
        """When whoever asked began to wait: what is sent late was waited for, too."""
        return self.sent_ns if self.due_ns is None else self.due_ns

    @property
    def first_ns(self) -> int:
        """When the first token was there."""
        return self.pieces_ns[0] if self.pieces_ns else self.done_ns


class AnswerStream:
    """What has come of one streamed answer."""

    def __init__(self, *, keeps: bool, asked: int | None = None) -> None:
        """Nothing has come yet; `keeps`: the text is wanted, too.

        So many tokens were `asked` for.
        """
        self._keeps = keeps
        self._asked = math.inf if asked is None else asked
        self._most = math.inf if asked is None else _BEYOND * asked + _MORE
        self._pieces_ns: list[int] = []
        self._said: list[str] = []
        self._thought: list[str] = []
        self._usage: Mapping[str, Any] | None = None
        self._finish: str | None = None
        self._ended = False
        self._done = False  # nothing that comes later is of this answer
        self._error = ""

    def take(self, line: str) -> None:
        """One line of the stream.

        Raises:
            ValueError: when it goes on and on.
        """
        if self._done or not line.startswith("data:"):
            return
        text = line[5:].strip()
        if text == "[DONE]":
            self._ended = self._done = True
            return
        now_ns = time.monotonic_ns()
        try:
            content = json.loads(text)
            if content.get("error"):
                self._error = f"an error came in mid-stream: {told_of(content['error'])}"
                return
            self._usage = content.get("usage") or self._usage
            for choice in content.get("choices") or ():
                if self._take_text(choice):
                    self._pieces_ns.append(now_ns)
                if choice.get("finish_reason"):
                    self._finish, self._ended = str(choice["finish_reason"]), True
        except _NOT_READ:
            self._error = f"a piece of its stream cannot be read: {text[:60]!r}"
        if len(self._pieces_ns) > self._most:
            self._error = "it writes on and on, far beyond the tokens that were asked for"
            raise ValueError(self._error)

    def _take_text(self, choice: Mapping[str, Any]) -> bool:
        """Whether a piece has text: an answer's, or a thought's, which has a field of its own."""
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        said = choice.get("text") or delta.get("content")
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if self._keeps:
            self._said += [said] if isinstance(said, str) else []
            self._thought += [thought] if isinstance(thought, str) else []
        return bool(said or thought)

    def answer(self, sent_ns: int, done_ns: int, status: int, error: str) -> Answer:
        """The whole of it."""
        error = self._error or error
        if not error and not self._ended:
            error = "its stream ended without saying how (no finish_reason, no [DONE])"
        usage = self._usage if isinstance(self._usage, dict) else {}
        written = _count(usage, "completion_tokens")
        if not error and written is not None and written > self._asked + _ITS_END:
            asked = f"at most {self._asked:,} were asked for"
            error = f"it says that it wrote {written:,} tokens, and {asked}"
        return Answer(
            sent_ns,
            done_ns,
            tuple(self._pieces_ns),
            _count(usage, "prompt_tokens"),
            written,
            _count(usage, "prompt_tokens_details", "cached_tokens"),
            _count(usage, "completion_tokens_details", "reasoning_tokens"),
            self._finish,
            error,
            status,
            "".join(self._said),
            "".join(self._thought),
        )


class WholeAnswer:
    """An answer that comes in one piece: embeddings, or what is said in a recording."""

    def __init__(self, *, keeps: bool) -> None:
        """Nothing has come yet; `keeps`: what it says is wanted, too."""
        self._keeps = keeps
        self._lines: list[str] = []

    def take(self, line: str) -> None:
        """One line of it."""
        self._lines.append(line)

    def answer(self, sent_ns: int, done_ns: int, status: int, error: str) -> Answer:
        """The whole of it."""
        found = Answer(sent_ns, done_ns, error=error, status=status)
        if error:
            return found
        text = "\n".join(self._lines)
        try:
            content = json.loads(text)
            if content.get("error"):
                return replace(found, error=told_of(content["error"]))
            embedded = [one["embedding"] for one in content.get("data") or ()]
            said = content.get("text")
            if not isinstance(said, str) and not (embedded and all(embedded)):
                raise ValueError
            similarity = _cosine(*embedded) if self._keeps and len(embedded) == 2 else None
        except _NOT_READ:
            return replace(found, error=f"its answer cannot be read: {text[:60]!r}")
        usage = content.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        written = _count(usage, "completion_tokens") or _count(usage, "output_tokens")
        return replace(
            found,
            input_tokens=_count(usage, "prompt_tokens") or _count(usage, "input_tokens"),
            output_tokens=0 if embedded else written,
            cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
            text=said if self._keeps and isinstance(said, str) else "",
            similarity=similarity,
        )


def problem_of(status: int, body: bytes) -> str:
    """What a server says of why it does not answer."""
    try:
        content = json.loads(body)
        told = told_of(content.get("error") or content.get("detail") or content)
    except (ValueError, AttributeError, RecursionError):
        told = body.decode("utf-8", "replace")
    told = " ".join(told.split())[:LONGEST_TOLD].rstrip(".")
    return f"status {status}{f': {told}' if told else ''}"


def told_of(error: Any) -> str:
    """The words of an error, as servers have it."""
    if isinstance(error, dict) and error.get("message"):
        return str(error["message"])[:LONGEST_TOLD]
    return str(error)[:LONGEST_TOLD]


def _cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """The cosine of the angle between two vectors; 0 where one has no length."""
    lengths = math.hypot(*first) * math.hypot(*second)
    return math.fsum(map(operator.mul, first, second)) / lengths if lengths else 0.0


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    """A number of tokens; None where it is not told."""
    found: Any = usage
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if type(found) is int and 0 <= found <= _MOST_TOKENS else None
