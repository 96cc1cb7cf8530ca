"""Compose the bundled samples from the texts written for them. Run it again after changing one.

    python tasks/data/compose.py            writes the samples that are composed
    python tasks/data/compose.py --check    exits 1 if a file is not what its rule gives
    python tasks/data/compose.py --tokenizer   trains energyscore/protocol/bundled/tokenizer.json

The rules are seeded and so always give the same. Lengths are in words, drawn from log-normal
distributions (see the constants): they vary as those of real texts do, and their means are those
of the official datasets.

text_generation.jsonl, 369 tokens: query i begins in passage i of a shuffled round of all
passages, at a random sentence of its first half, and takes whole sentences, going on into the
next passages of the round, until it has its number of words.

summarization.jsonl, 384 tokens: the beginning of a passage and the end of another, half of the
words each; in a shuffled row of all passages the other is the next one, then the second next.

question_answering.jsonl: the questions of questions.jsonl, each with the sentence that holds its
answer and the sentences around that until it has its number of words.

Reviews and sentence pairs are used as they were written.
"""

import argparse
import json
import math
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOKENIZER = HERE.parent.parent / "energyscore" / "builtin" / "tokenizer.json"
SEED = 20250201
QUERIES = 120
PROMPT_WORDS, PROMPT_SIGMA = 270.0, 0.5
ARTICLE_WORDS, ARTICLE_SIGMA = 252.0, 0.4
LEAST_WORDS, MOST_WORDS = 60, 700
CONTEXT_WORDS, MOST_CONTEXT_WORDS = (25, 65), 80
VOCABULARY = 8192

_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"']))\s+(?=[\"'A-Z0-9])")


def read_jsonl(name: str) -> list[dict[str, str]]:
    """The rows of one of the files beside this script."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def text_generation() -> str:
    """The text of text_generation.jsonl."""
    rng = random.Random(SEED)
    passages = [sentences_of(row["text"]) for row in read_jsonl("passages.jsonl")]
    names = [row["id"] for row in read_jsonl("passages.jsonl")]
    rows = []
    order: list[int] = []
    for number in range(QUERIES):
        place = number % len(passages)
        if place == 0:
            order = rng.sample(range(len(passages)), len(passages))
        wanted = draw_words(rng, PROMPT_WORDS, PROMPT_SIGMA)
        first = rng.randrange(len(passages[order[place]]) // 2)
        text = take(passages, order, place, first, wanted)
        rows.append({"id": f"t{number + 1:03}", "passage": names[order[place]], "text": text})
    return to_jsonl(rows)


def summarization() -> str:
    """The text of summarization.jsonl."""
    rng = random.Random(SEED + 1)
    passages = [sentences_of(row["text"]) for row in read_jsonl("passages.jsonl")]
    names = [row["id"] for row in read_jsonl("passages.jsonl")]
    order = rng.sample(range(len(passages)), len(passages))
    rows = []
    for number in range(QUERIES):
        lap, place = divmod(number, len(order))
        opening, closing = order[place], order[(place + 1 + lap) % len(order)]
        wanted = draw_words(rng, ARTICLE_WORDS, ARTICLE_SIGMA) / 2
        ending = take_end(passages[closing], wanted)
        rows.append(
            {
                "id": f"m{number + 1:03}",
                "passages": f"{names[opening]}, {names[closing]}",
                "text": f"{take(passages, [opening], 0, 0, wanted)}\n\n{ending}",
            }
        )
    return to_jsonl(rows)


def question_answering() -> str:
    """The text of question_answering.jsonl."""
    rng = random.Random(SEED + 2)
    passages = {row["id"]: sentences_of(row["text"]) for row in read_jsonl("passages.jsonl")}
    rows = []
    for number, row in enumerate(read_jsonl("questions.jsonl"), start=1):
        context = around(passages[row["passage"]], row["answer"], rng.uniform(*CONTEXT_WORDS))
        rows.append({"id": f"q{number:03}", **row, "context": context})
    return to_jsonl(rows)


def draw_words(rng: random.Random, mean: float, sigma: float) -> float:
    """A number of words from a log-normal distribution, within bounds."""
    words = rng.lognormvariate(math.log(mean) - sigma**2 / 2, sigma)
    return min(max(words, LEAST_WORDS), MOST_WORDS)


def to_jsonl(rows: list[dict[str, str]]) -> str:
    """The text of a JSON Lines file."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def sentences_of(text: str) -> list[str]:
    """Its sentences; the last of a paragraph keeps the empty line that follows it."""
    paragraphs = [_SENTENCE_END.split(paragraph) for paragraph in text.split("\n\n")]
    return [
        sentence + ("\n\n" if number == len(paragraph) - 1 else " ")
        for paragraph in paragraphs
        for number, sentence in enumerate(paragraph)
    ]


def words_of(sentences: list[str]) -> int:
    """How many words they have together."""
    return sum(len(sentence.split()) for sentence in sentences)


def take(passages: list[list[str]], order: list[int], place: int, first: int, wanted: float) -> str:
    """Whole sentences from a place in the round onwards until `wanted` words are reached."""
    taken: list[str] = []
    while words_of(taken) < wanted:
        sentences = passages[order[place % len(order)]]
        taken.append(sentences[first])
        first += 1
        if first == len(sentences):
            place, first = place + 1, 0
    return "".join(taken).strip()


def take_end(passage: list[str], wanted: float) -> str:
    """The last sentences of a passage, as many as have `wanted` words."""
    first = len(passage) - 1
    while first and words_of(passage[first:]) < wanted:
        first -= 1
    return "".join(passage[first:]).strip()


def around(passage: list[str], answer: str, wanted: float) -> str:
    """The first sentence that holds the answer and those around it, about `wanted` words.

    Of the neighbours the one before comes first: it says what the sentence is about.
    """
    holds = re.compile(rf"(?<!\w){re.escape(answer)}(?!\w)")
    first = next(place for place, sentence in enumerate(passage) if holds.search(sentence))
    last = first + 1
    while words_of(passage[first:last]) < wanted:
        wider = [
            (start, end)
            for start, end in ((first - 1, last), (first, last + 1))
            if start >= 0 and end <= len(passage)
        ]
        fitting = [at for at in wider if words_of(passage[slice(*at)]) <= MOST_CONTEXT_WORDS]
        if not fitting:
            break
        first, last = fitting[0]
    return " ".join("".join(passage[first:last]).split())


def train_tokenizer() -> None:
    """Train the byte-level BPE tokenizer that the bundled architectures share."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    texts = [row["text"] for row in read_jsonl("passages.jsonl")]
    texts += [row["text"] for row in read_jsonl("text_classification.jsonl")]
    for row in read_jsonl("sentence_similarity.jsonl"):
        texts += [row["sentence1"], row["sentence2"]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<s>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(TOKENIZER), pretty=False)


RULES = (text_generation, summarization, question_answering)


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--tokenizer", action="store_true")
    options = parser.parse_args()
    if options.tokenizer:
        train_tokenizer()
        return 0
    composed = {f"{rule.__name__}.jsonl": rule() for rule in RULES}
    if options.check:
        return int(any((HERE / n).read_text(encoding="utf-8") != t for n, t in composed.items()))
    for name, text in composed.items():
        (HERE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
