"""Speech recognition apart from models: reading recordings, labels, special tokens, the sample."""

import io
import json

import numpy as np
import pytest
import soundfile as sf
from transformers import WhisperConfig

from energyscore.base.errors import DatasetError
from energyscore.measurement.backends.asr import collapse, complete_whisper, read_audio
from energyscore.protocol.selection import BUNDLED
from energyscore.protocol.task import bundled_tasks_dir, load_tasks
from energyscore.protocol.workload import load_workload


def tone(*hertz, rate_hz=16_000, seconds=0.5):
    """A channel with a sine for each frequency."""
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.stack([0.5 * np.sin(2 * np.pi * one * time_s) for one in hertz], axis=1)


def encode(samples, rate_hz=16_000, **kind):
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, **kind or {"format": "WAV"})
    return file.getvalue()


def loudest_hz(samples, rate_hz):
    """The frequencies that a signal is made of, those over half of the strongest."""
    strength = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    near = np.flatnonzero(strength > 0.5 * strength.max()) * rate_hz / len(samples)
    return {round(float(one) / 50) * 50 for one in near}


@pytest.mark.parametrize(
    "kind",
    [
        {"format": "WAV", "subtype": "PCM_16"},
        {"format": "WAV", "subtype": "FLOAT"},
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "MP3"},
    ],
    ids=lambda kind: " ".join(kind.values()),
)
def test_the_usual_formats_are_read(kind):
    samples = read_audio(encode(tone(450), **kind), 16_000)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(8000, abs=1200)  # MP3 pads
    assert loudest_hz(samples, 16_000) == {450}


@pytest.mark.parametrize("own_rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_recordings_are_brought_to_the_models_rate(own_rate_hz):
    content = encode(tone(450, rate_hz=own_rate_hz, seconds=1.0), own_rate_hz)
    samples = read_audio(content, 16_000)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16_000, abs=1)
    assert loudest_hz(samples, 16_000) == {450}
    assert np.abs(samples[2000:-2000]).max() == pytest.approx(0.5, abs=0.01)


def test_what_the_models_rate_cannot_hold_is_filtered_out():
    content = encode(tone(450, 10_000, rate_hz=44_100, seconds=1.0).sum(axis=1) / 2, 44_100)
    samples = read_audio(content, 16_000)
    assert loudest_hz(samples, 16_000) == {450}
    folded = np.abs(np.fft.rfft(samples))[5900:6100].max()  # 16 kHz - 10 kHz
    assert folded < 0.01 * np.abs(np.fft.rfft(samples)).max()


def test_channels_are_mixed():
    samples = read_audio(encode(tone(450, 900)), 16_000)
    assert loudest_hz(samples, 16_000) == {450, 900}
    assert np.allclose(samples, tone(450, 900).mean(axis=1), atol=1e-3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"this is no recording", "20 bytes.*cannot be read.*WAV, FLAC"),
        (encode(tone(450))[:20], "cannot be read"),
        (encode(tone(450), format="FLAC")[:60], "cannot be read|lasts"),
        (encode(tone(450)[:0]), r"lasts 0\.000 s"),
        (encode(tone(450)[:800]), r"lasts 0\.050 s; at least 0\.1 s"),
        (encode(np.full(4000, np.nan), subtype="FLOAT", format="WAV"), "no numbers"),
        (encode(np.full(4000, np.inf), subtype="FLOAT", format="WAV"), "infinite"),
    ],
    ids=["text", "cut header", "cut flac", "empty", "too short", "nan", "infinite"],
)
def test_broken_recordings_are_told(content, words):
    with pytest.raises(DatasetError, match=words):
        read_audio(content, 16_000)


def test_labels_of_frames_collapse_as_ctc_says():
    assert collapse([0, 0, 5, 5, 0, 5, 7, 7, 7, 0, 0], 0) == [5, 5, 7]
    assert collapse([4, 4, 4], 4) == []
    assert collapse([], 0) == []


class Settings:
    """A generation configuration that names no special tokens."""


@pytest.mark.parametrize(
    ("vocabulary", "start", "languages", "transcribe", "no_timestamps"),
    [  # as published: whisper-tiny.en, whisper-tiny, whisper-large-v3
        (51864, 50257, None, None, 50362),
        (51865, 50258, {"<|en|>": 50259, "<|su|>": 50357}, 50359, 50363),
        (51866, 50258, {"<|en|>": 50259, "<|yue|>": 50358}, 50360, 50364),
    ],
)
def test_special_tokens_of_whispers_lie_where_they_were_published(
    vocabulary, start, languages, transcribe, no_timestamps
):
    settings = Settings()
    complete_whisper(settings, WhisperConfig(vocab_size=vocabulary, decoder_start_token_id=start))
    assert settings.no_timestamps_token_id == no_timestamps
    assert settings.is_multilingual == (languages is not None)
    if languages:
        assert languages.items() <= settings.lang_to_id.items()
        assert max(settings.lang_to_id.values()) == max(languages.values())
        assert settings.task_to_id["transcribe"] == transcribe
    before = dict(vars(settings))
    complete_whisper(settings, WhisperConfig(vocab_size=51864))
    assert vars(settings) == before, "what a model names itself stays"


def test_other_vocabularies_get_no_special_tokens():
    settings = Settings()
    complete_whisper(settings, WhisperConfig(vocab_size=64))
    assert not vars(settings)


def test_the_sample_is_speech_of_the_lengths_that_it_says():
    task = load_tasks()["asr"]
    workload = load_workload(task, BUNDLED, 1000)
    lines = task.sample_path.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len(workload.queries) >= 25
    seconds = []
    for query in workload.queries:
        info = sf.info(io.BytesIO(query["audio"]))
        assert (info.samplerate, info.channels) == (16_000, 1)
        seconds.append(info.duration)
        samples = read_audio(query["audio"], 16_000)
        assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.3
        assert np.abs(samples).max() < 0.99, "clipped"
    assert min(seconds) >= 3.0
    assert max(seconds) <= 15.0
    assert len({round(one, 1) for one in seconds}) > 20, "real recordings differ in length"
    letters = [len(row["text"]) for row in rows]
    assert np.corrcoef(letters, seconds)[0, 1] > 0.9, "the transcript is what was read"
    assert sum(len(query["audio"]) for query in workload.queries) < 3e6


def test_the_transcripts_are_sentences_of_the_passages():
    folder = bundled_tasks_dir() / "data"
    lines = (folder / "passages.jsonl").read_text().splitlines()
    passages = {row["id"]: " ".join(row["text"].split()) for row in map(json.loads, lines)}
    rows = [json.loads(line) for line in (folder / "asr.jsonl").read_text().splitlines()]
    assert all(row["text"] in passages[row["passage"]] for row in rows)
    assert len({row["text"] for row in rows}) == len(rows)
    assert len({row["voice"] for row in rows}) >= 3
