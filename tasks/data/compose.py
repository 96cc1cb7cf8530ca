"""Compose the bundled samples from the texts written for them. Run it again after changing one.

    python tasks/data/compose.py            writes text_generation.jsonl
    python tasks/data/compose.py --check    exits 1 if the file is not what the rule gives
    python tasks/data/compose.py --tokenizer   trains energyscore/builtin/tokenizer.json

The rule for text_generation.jsonl, seeded and so always the same: query i begins in passage i of
a shuffled round of all passages, at a random sentence of its first half, and takes whole
sentences, going on into the next passages of the round, until it has a number of words drawn
from a log-normal distribution (see the constants). The lengths vary as those of real prompts do,
and their mean is that of the official dataset, 369 tokens. Reviews and sentence pairs are used
as they were written.
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
MEAN_WORDS, SIGMA, LEAST_WORDS, MOST_WORDS = 270.0, 0.5, 60, 700
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
        wanted = rng.lognormvariate(math.log(MEAN_WORDS) - SIGMA**2 / 2, SIGMA)
        wanted = min(max(wanted, LEAST_WORDS), MOST_WORDS)
        first = rng.randrange(len(passages[order[place]]) // 2)
        text = take(passages, order, place, first, wanted)
        rows.append({"id": f"t{number + 1:03}", "passage": names[order[place]], "text": text})
    return "".join(json.dumps(row) + "\n" for row in rows)


def sentences_of(text: str) -> list[str]:
    """Its sentences; the last of a paragraph keeps the empty line that follows it."""
    paragraphs = [_SENTENCE_END.split(paragraph) for paragraph in text.split("\n\n")]
    return [
        sentence + ("\n\n" if number == len(paragraph) - 1 else " ")
        for paragraph in paragraphs
        for number, sentence in enumerate(paragraph)
    ]


def take(passages: list[list[str]], order: list[int], place: int, first: int, wanted: float) -> str:
    """Whole sentences from a place in the round onwards until `wanted` words are reached."""
    taken: list[str] = []
    while sum(len(sentence.split()) for sentence in taken) < wanted:
        sentences = passages[order[place % len(order)]]
        taken.append(sentences[first])
        first += 1
        if first == len(sentences):
            place, first = place + 1, 0
    return "".join(taken).strip()


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


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--tokenizer", action="store_true")
    options = parser.parse_args()
    target = HERE / "text_generation.jsonl"
    if options.tokenizer:
        train_tokenizer()
    elif options.check:
        return int(target.read_text(encoding="utf-8") != text_generation())
    else:
        target.write_text(text_generation(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
