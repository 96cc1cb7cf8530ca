"""How much of an answer is thinking: the tokens between a family's marks. Pure."""

import bisect
import functools
import itertools
from collections.abc import Callable, Sequence


class ThinkingCounter:
    """Counts tokens between marks.

    Marks need not be tokens of their own: they are looked for in the text, and the places found
    are counted back in tokens. A text of 1,000 tokens takes about a millisecond, so that counting
    does not weigh on the energy of generating it.
    """

    def __init__(
        self, decode: Callable[[int], str], marks: tuple[str, str], opened: bool = False
    ) -> None:
        """Set up counting.

        Args:
            decode: the text of one token.
            marks: what stands before and after thoughts.
            opened: whether the prompt ends within thoughts, so that an answer begins with them.
        """
        self._decode = functools.cache(decode)
        self._begin, self._end = marks
        self._opened = opened

    def count(self, tokens: Sequence[int]) -> int:
        """Tokens of an answer that are thinking, its marks not counted.

        Thoughts that do not end, because the answer was cut off, last until its end.
        """
        pieces = [self._decode(token) for token in tokens]
        text = "".join(pieces)
        ends = list(itertools.accumulate(map(len, pieces)))
        total, place, inside = 0, 0, self._opened
        while True:
            if not inside:
                begin = text.find(self._begin, place)
                if begin < 0:
                    return total
                place = begin + len(self._begin)
            end = text.find(self._end, place)
            stop = len(text) if end < 0 else end
            # Tokens that lie in the span with their last character.
            total += bisect.bisect_right(ends, stop) - bisect.bisect_right(ends, place)
            if end < 0:
                return total
            place, inside = end + len(self._end), False


def is_opened(prompt_end: str, marks: tuple[str, str]) -> bool:
    """Whether the end of a prompt, after the user's words, begins thoughts and leaves them open."""
    return prompt_end.rfind(marks[0]) > prompt_end.rfind(marks[1])
