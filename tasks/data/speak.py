"""Make the recordings of the asr sample: sentences of the passages, read by a synthesizer.

    python tasks/data/speak.py      writes audio/*.ogg and asr.jsonl

Needs the synthesizer flite (`apt-get install flite`), whose voices may be used freely. The rule,
seeded and so always the same: from a shuffled round of the passages, one or two sentences without
figures or unusual signs, read by each of four voices in turn at a speed drawn for each, kept when
they last 3 to 15 s. They are stored as Opus at 16 kHz, with the sentence as transcript.
"""

import json
import random
import re
import subprocess
import tempfile
from pathlib import Path

import soundfile
from compose import read_jsonl, sentences_of

HERE = Path(__file__).resolve().parent
SEED, RECORDINGS = 20250201, 40
SHORTEST_S, LONGEST_S, RATE_HZ = 3.0, 15.0, 16_000
VOICES = ("slt", "rms", "awb", "kal16")

_PLAIN = re.compile(r"[A-Z][A-Za-z ,.;'-]+[.]")


def main() -> None:
    """Write the recordings and the list of them."""
    rng = random.Random(SEED)
    folder = HERE / "audio"
    folder.mkdir(exist_ok=True)
    passages = read_jsonl("passages.jsonl")
    rng.shuffle(passages)
    rows: list[str] = []
    while len(rows) < RECORDINGS:
        passage = passages[len(rows) % len(passages)]
        sentences = [sentence.strip() for sentence in sentences_of(passage["text"])]
        first, count = rng.randrange(len(sentences)), rng.choice((1, 1, 2))
        text = " ".join(sentences[first : first + count])
        voice = VOICES[len(rows) % len(VOICES)]
        stretch = rng.uniform(0.85, 1.15)
        if not _PLAIN.fullmatch(text) or any(text in row for row in rows):
            continue
        samples = speak(text, voice, stretch)
        if not SHORTEST_S <= len(samples) / RATE_HZ <= LONGEST_S:
            continue
        name = f"a{len(rows) + 1:02}"
        file = folder / f"{name}.ogg"
        soundfile.write(file, samples, RATE_HZ, format="OGG", subtype="OPUS")
        row = {"id": name, "passage": passage["id"], "voice": voice, "text": text}
        rows.append(json.dumps(row | {"audio": f"audio/{file.name}"}) + "\n")
    (HERE / "asr.jsonl").write_text("".join(rows), encoding="utf-8")


def speak(text: str, voice: str, stretch: float) -> "list[float]":
    """The samples of a text that is read aloud, `stretch` times as slowly as usual."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}"]
        subprocess.run([*command, "-t", text, "-o", str(file)], check=True)
        samples, rate_hz = soundfile.read(file, dtype="float32")
    assert rate_hz == RATE_HZ, rate_hz
    return samples


if __name__ == "__main__":
    main()
