"""Speech recognition: by CTC in one forward pass, or by a decoder that writes the words."""

import io
import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly
from transformers import (
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoModelForSpeechSeq2Seq,
    Wav2Vec2CTCTokenizer,
    WhisperFeatureExtractor,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CTC_MAPPING_NAMES,
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
)
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from energyscore.base.errors import DatasetError, ModelError
from energyscore.measurement.backend import Batch, BatchOutput, CutInputs, EnterPhase, InputSizes
from energyscore.measurement.backends.base import ByModel, TransformersBackend
from energyscore.measurement.backends.generation import GeneratingBackend, first_of
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import load_processor, tokenizer_of
from energyscore.protocol.model import By
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query

SHORTEST_S = 0.1
"""Shorter recordings hold no word, and fewer frames than some models' convolutions span."""


def read_audio(content: bytes, rate_hz: int) -> np.ndarray:
    """The samples of a recording's file (any that libsndfile reads): float32, mono, at `rate_hz`.

    Raises:
        DatasetError: when it cannot be read, is too short, or has samples that are not finite.
    """
    try:
        channels, own_rate_hz = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise DatasetError(
            f"A recording of the dataset ({len(content):,} bytes) cannot be read: {error}",
            "It must be a WAV, FLAC, OGG or MP3 file.",
        ) from error
    samples = channels.mean(axis=1)
    if len(samples) < SHORTEST_S * own_rate_hz:
        raise DatasetError(
            f"A recording of the dataset lasts {len(samples) / own_rate_hz:.3f} s; at least "
            f"{SHORTEST_S} s are needed.",
            "Remove it.",
        )
    if not np.isfinite(samples).all():
        raise DatasetError(
            "A recording of the dataset holds samples that are infinite or no numbers.",
            "Remove it.",
        )
    if own_rate_hz != rate_hz:
        common = math.gcd(own_rate_hz, rate_hz)
        samples = resample_poly(samples, rate_hz // common, own_rate_hz // common)
    return np.ascontiguousarray(samples, dtype=np.float32)


def _length(content: bytes, rate_hz: int) -> int:
    """How many samples `read_audio` makes of a recording, by its header."""
    info = soundfile.info(io.BytesIO(content))
    return math.ceil(info.frames * rate_hz / info.samplerate)


class AudioBackend(TransformersBackend):
    """What both kinds of speech models share: recordings become features on the device."""

    prepare_ahead = 128  # the features of a recording take about a megabyte
    _extractor: Any = None

    def _load_processor(self, blueprint: Blueprint) -> None:
        self._extractor = load_processor(blueprint, AutoFeatureExtractor, "feature_extractor")
        self._read_tokenizer = tokenizer_of(blueprint)

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        inputs, _ = self._features(queries)
        return Batch(inputs, len(queries), 0)  # a recording has no tokens

    def _cut_inputs(self, queries: Sequence[Query]) -> CutInputs | None:
        if not self._fills_up:
            return None
        most, rate_hz = self._extractor.n_samples, self._extractor.sampling_rate
        lengths_s = [[_length(query["audio"], rate_hz) / rate_hz] for query in queries]
        return CutInputs.of(lengths_s, most / rate_hz, "seconds")

    def _input_sizes(self, queries: Sequence[Query]) -> InputSizes:
        rate_hz = self._extractor.sampling_rate
        lengths_s = [_length(query["audio"], rate_hz) / rate_hz for query in queries]
        if self._fills_up:
            most_s = self._extractor.n_samples / rate_hz
            lengths_s = [min(one, most_s) for one in lengths_s]
        return InputSizes("seconds", [one or 1 / rate_hz for one in lengths_s])

    @property
    def _fills_up(self) -> bool:
        """Whisper's extractor fills every recording up to 30 s by itself, and cuts longer ones."""
        return isinstance(self._extractor, WhisperFeatureExtractor)

    def _features(self, queries: Sequence[Query]) -> tuple[dict[str, Any], list[int]]:
        """The model's inputs, and how many samples each recording has."""
        rate_hz = self._extractor.sampling_rate
        recordings = [read_audio(query["audio"], rate_hz) for query in queries]
        padding = {"padding": True} if len(recordings) > 1 and not self._fills_up else {}
        features = self._extractor(
            recordings, sampling_rate=rate_hz, return_tensors="pt", **padding
        )
        inputs = dict(features.to(self._device, self.model.dtype))
        return inputs, [len(samples) for samples in recordings]


class ByCtc(AudioBackend):
    """One forward pass labels every frame; the text is what remains when repeats collapse.

    In batches shorter recordings are padded. Models whose extractor gives no mask, such as
    wav2vec2-base-960h, were trained that way and take the padding into their group norm, so what
    they answer there differs a little from what they answer alone.
    """

    auto_class = AutoModelForCTC
    # Checkpoints lack the vector that masks frames in training, which nothing else uses.
    unused_weights = tuple(
        f"{name}.masked_spec_embed"
        for name in (
            *("wav2vec2", "hubert", "sew", "sew_d", "data2vec_audio", "wavlm", "unispeech"),
            *("unispeech_sat", "wav2vec2_bert", "wav2vec2_conformer"),
        )
    )

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        inputs, samples = self._features(queries)
        # How many frames of each recording's logits are its own and not padding.
        frames: list[int | None] = [None] * len(samples)
        if len(samples) > 1 and "input_values" in inputs:
            frames = [int(self.model._get_feat_extract_output_lengths(one)) for one in samples]
        return Batch((inputs, frames), len(queries), 0)

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        inputs, frames = batch.inputs
        labels = self.model(**inputs).logits.argmax(dim=-1).tolist()
        blank = self.model.config.pad_token_id
        return BatchOutput(
            0, [collapse(row[:own], blank) for row, own in zip(labels, frames, strict=True)]
        )

    def _said(self, output: BatchOutput) -> list[Any]:
        tokenizer = self._read_tokenizer()
        # What repeats by now was said twice.
        once = isinstance(tokenizer, Wav2Vec2CTCTokenizer)
        options = {"group_tokens": False} if once else {}
        return [tokenizer.decode(one, skip_special_tokens=True, **options) for one in output.values]


def collapse(labels: Iterable[int], blank: int) -> list[int]:
    """What a CTC model's labels of frames say: repeats count once, blanks separate and vanish."""
    return [label for label, _ in groupby(labels) if label != blank]


class ByDecoder(GeneratingBackend, AudioBackend):
    """`prefill` encodes the recording and makes the first token, `decode` the others."""

    auto_class = AutoModelForSpeechSeq2Seq

    def _set_up(self, task: TaskSpec) -> None:
        if self.model.config.model_type == "whisper":
            complete_whisper(self.model.generation_config, self.model.config)
        super()._set_up(task)

    def _special_tokens(self) -> tuple[int | None, Any]:
        config, settings = self.model.config, self.model.generation_config
        pad = first_of(settings.pad_token_id, config.pad_token_id)
        return pad, first_of(settings.eos_token_id, config.eos_token_id)

    def _said(self, output: BatchOutput) -> list[Any]:
        return self._decoded(output)

    def _features(self, queries: Sequence[Query]) -> tuple[dict[str, Any], list[int]]:
        inputs, samples = super()._features(queries)
        if self.model.config.model_type == "whisper":
            # One call, whatever the tokens are: else those of random weights that happen to be
            # timestamps make it go over the same recording again.
            inputs["force_unique_generate_call"] = True
        return inputs, samples


class Asr(ByModel):
    """By the model's family."""

    @staticmethod
    def choose(config: Any, by: By | None = None) -> type[TransformersBackend]:
        """By the configuration."""
        family = config.model_type
        if family in _WITH_DECODER:
            return ByDecoder
        if family in MODEL_FOR_CTC_MAPPING_NAMES:
            return ByCtc
        if family in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
            raise ModelError(
                f"Models of the family {family} want a prompt or a language beside the recording, "
                "and the task has neither."
            )
        raise ModelError(
            f"Models of the family {family} do not recognize speech.",
            f"Those that do: {', '.join((*_WITH_DECODER, *MODEL_FOR_CTC_MAPPING_NAMES))}.",
        )


_WITH_DECODER = ("whisper", "speech_to_text", "moonshine", "speecht5", "speech-encoder-decoder")
"""Families whose decoder needs nothing but the recording."""

_WHISPER_ENGLISH, _WHISPER_MULTILINGUAL = 51864, 51865
"""Sizes of the vocabulary: of English Whispers, and of those that know 99 languages or more."""


def complete_whisper(settings: Any, config: Any) -> None:
    """Give a Whisper the special tokens that it begins to write with, where it names none.

    Models built from a configuration alone and early fine-tuned ones lack them. They lie where
    the vocabulary's size says. No language is given: as in the reference method, a multilingual
    Whisper finds it out itself, by one more pass of its encoder and a step of its decoder.
    """
    size = config.vocab_size
    if hasattr(settings, "no_timestamps_token_id") or size < _WHISPER_ENGLISH:
        return
    if size == _WHISPER_ENGLISH:
        settings.is_multilingual = False
        settings.no_timestamps_token_id = 50362
        return
    languages = list(LANGUAGES)[: 99 + size - _WHISPER_MULTILINGUAL]
    first = config.decoder_start_token_id + 1
    after = first + len(languages)
    settings.is_multilingual = True
    settings.lang_to_id = {f"<|{code}|>": first + place for place, code in enumerate(languages)}
    settings.task_to_id = {"translate": after, "transcribe": after + 1}
    settings.no_timestamps_token_id = after + 5
