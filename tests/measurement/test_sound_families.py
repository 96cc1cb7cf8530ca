"""The families of the reference leaderboard for speech and captions, saved, loaded and run.

Each as a small model with random weights and its processor, saved as `save_pretrained` does, and
loaded offline by the task's backend. The weights are scaled up, so that answers depend on what
is heard and seen: with freshly made ones every answer would be the same, and hide mistakes.
"""

import io
import json
import re

import pytest
import soundfile as sf
import torch
import transformers as tf
from safetensors.torch import load_file, save_file

from energyscore.base.errors import ModelError
from energyscore.base.lookup import resolve
from energyscore.measurement.backends.asr import read_audio
from energyscore.measurement.catalog import BACKENDS
from energyscore.protocol.model import parse_model
from energyscore.protocol.selection import BUNDLED
from energyscore.protocol.task import load_tasks
from energyscore.protocol.workload import load_workload

TASKS = load_tasks()
# Two kinds of CTC models answer a little differently where a shorter recording is padded: those
# whose norm is over all frames and that know no mask, and those that let padding into frames
# beside it. That is how they were trained.
UNMASKED = "wav2vec2 with group norm"
LEAKING = ("data2vec-audio", "sew-d")
CONVOLUTIONS = {
    "conv_dim": (32, 32, 32),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 8, 8),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 32,
}
BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}


def ctc(config_class, model_class, *, mask=True, **settings):
    """A CTC model; `mask`: its extractor says what is padding, as those with layer norm want."""
    norm = {"feat_extract_norm": "layer" if mask else "group"}
    config = config_class(**SMALL | CONVOLUTIONS | norm | settings)
    return model_class(config), tf.Wav2Vec2FeatureExtractor(return_attention_mask=mask)


def whisper(**settings):
    special = {"pad_token_id": 2, "bos_token_id": 2, "eos_token_id": 2, "decoder_start_token_id": 3}
    config = tf.WhisperConfig(
        **BART | {"vocab_size": 64, "begin_suppress_tokens": None} | special | settings
    )
    return tf.WhisperForConditionalGeneration(config), tf.WhisperFeatureExtractor(
        feature_size=config.num_mel_bins
    )


def multilingual_whisper(**settings):
    """One that finds out the language first."""
    model, extractor = whisper(**settings)
    model.generation_config._from_model_config = False  # else it is not read again
    model.generation_config.is_multilingual = True
    model.generation_config.lang_to_id = {"<|en|>": 4, "<|de|>": 5, "<|fr|>": 6}
    model.generation_config.task_to_id = {"translate": 7, "transcribe": 8}
    model.generation_config.no_timestamps_token_id = 40  # many tokens would be timestamps
    return model, extractor


def speech_to_text():
    config = tf.Speech2TextConfig(
        **BART, vocab_size=64, conv_channels=32, max_source_positions=3000, max_target_positions=64
    )
    return tf.Speech2TextForConditionalGeneration(config), tf.Speech2TextFeatureExtractor()


def moonshine():
    config = tf.MoonshineConfig(
        hidden_size=32,
        intermediate_size=64,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=2,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        vocab_size=64,
    )
    extractor = tf.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    return tf.MoonshineForConditionalGeneration(config), extractor


def speecht5():
    config = tf.SpeechT5Config(
        **SMALL | CONVOLUTIONS | {"vocab_size": 64},
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        feat_extract_norm="layer",
    )
    return tf.SpeechT5ForSpeechToText(config), tf.SpeechT5FeatureExtractor()


def speech_encoder_decoder():
    encoder = tf.Wav2Vec2Config(**SMALL | CONVOLUTIONS, feat_extract_norm="layer")
    decoder = tf.BertConfig(**SMALL | {"vocab_size": 64}, is_decoder=True, add_cross_attention=True)
    config = tf.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, decoder, decoder_start_token_id=1, pad_token_id=0, eos_token_id=2
    )
    extractor = tf.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    return tf.SpeechEncoderDecoderModel(config), extractor


SPEECH = {
    "whisper, English": whisper,
    "whisper, multilingual": multilingual_whisper,
    "distil-whisper": lambda: multilingual_whisper(decoder_layers=1, num_mel_bins=128),
    "speech_to_text": speech_to_text,
    "moonshine": moonshine,
    "speecht5": speecht5,
    "speech-encoder-decoder": speech_encoder_decoder,
    "wav2vec2": lambda: ctc(tf.Wav2Vec2Config, tf.Wav2Vec2ForCTC, do_stable_layer_norm=True),
    UNMASKED: lambda: ctc(tf.Wav2Vec2Config, tf.Wav2Vec2ForCTC, mask=False),
    "mms": lambda: ctc(
        tf.Wav2Vec2Config, tf.Wav2Vec2ForCTC, do_stable_layer_norm=True, adapter_attn_dim=8
    ),
    "hubert": lambda: ctc(tf.HubertConfig, tf.HubertForCTC, do_stable_layer_norm=True),
    "data2vec-audio": lambda: ctc(tf.Data2VecAudioConfig, tf.Data2VecAudioForCTC),
    "wavlm": lambda: ctc(tf.WavLMConfig, tf.WavLMForCTC, do_stable_layer_norm=True),
    "sew-d": lambda: ctc(
        tf.SEWDConfig, tf.SEWDForCTC, squeeze_factor=2, feature_layer_norm_eps=1e-5
    ),
}


def images(size=32):
    return {"size": {"height": size, "width": size}}


def vision(**settings):
    return SMALL | {"image_size": 32, "patch_size": 8} | settings


def blip():
    text = SMALL | {"vocab_size": 64, "encoder_hidden_size": 32, "bos_token_id": 60}
    text |= {"sep_token_id": 3, "pad_token_id": 0, "eos_token_id": 2}
    config = tf.BlipConfig(
        text_config=text, vision_config=vision(initializer_range=0.02), projection_dim=32
    )
    return tf.BlipForConditionalGeneration(config), tf.BlipImageProcessorPil(**images())


def blip_2(text, image_token_index=60):
    former = SMALL | {"encoder_hidden_size": 32, "cross_attention_frequency": 1}
    config = tf.Blip2Config(
        vision_config=vision(),
        qformer_config=former,
        text_config=text,
        num_query_tokens=4,
        image_token_index=image_token_index,
    )
    return tf.Blip2ForConditionalGeneration(config), tf.BlipImageProcessorPil(**images())


def blip_2_opt(**settings):
    text = {"model_type": "opt", "hidden_size": 32, "num_hidden_layers": 2, "ffn_dim": 64}
    text |= {"num_attention_heads": 2, "word_embed_proj_dim": 32, "vocab_size": 64}
    return blip_2(text, **settings)


def blip_2_t5():
    text = {"model_type": "t5", "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2}
    text |= {"num_heads": 2, "vocab_size": 64, "bos_token_id": 1, "decoder_start_token_id": 0}
    return blip_2(text)


def git():
    config = tf.GitConfig(
        vision_config=vision(), **SMALL | {"vocab_size": 64}, bos_token_id=1, eos_token_id=2
    )
    crop = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    return tf.GitForCausalLM(config), tf.CLIPImageProcessorPil(**crop)


def pix2struct(*, is_vqa=False):
    sizes = {"d_kv": 16, "d_ff": 64, "num_hidden_layers": 2}
    text = sizes | {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 64}
    text |= {"eos_token_id": 1, "pad_token_id": 0, "decoder_start_token_id": 0}
    eyes = sizes | {"hidden_size": 32, "patch_embed_hidden_size": 768, "num_attention_heads": 2}
    config = tf.Pix2StructConfig(text_config=text, vision_config=eyes)
    processor = tf.Pix2StructImageProcessorPil(max_patches=64, is_vqa=is_vqa)
    return tf.Pix2StructForConditionalGeneration(config), processor


def vit_gpt2():
    encoder = tf.ViTConfig(**vision())
    decoder = tf.GPT2Config(
        n_layer=2, n_embd=32, n_head=2, vocab_size=64, bos_token_id=1, eos_token_id=1
    )
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, decoder, decoder_start_token_id=1, pad_token_id=1, eos_token_id=1
    )
    return tf.VisionEncoderDecoderModel(config), tf.ViTImageProcessorPil(**images())


PICTURES = {
    "blip": blip,
    "blip-2 with OPT": blip_2_opt,
    "blip-2 without image token": lambda: blip_2_opt(image_token_index=None),
    "blip-2 with T5": blip_2_t5,
    "git": git,
    "pix2struct": pix2struct,
    "pix2struct for questions": lambda: pix2struct(is_vqa=True),
    "vision-encoder-decoder": vit_gpt2,
}


EYES = ("vision_model", "git.image_encoder", "encoder")  # the part that encodes images
SCALES = {"speech_to_text": 4.0, "data2vec-audio": 4.0, "distil-whisper": 32.0}  # others: 8


def save(made, folder, scale=8.0):
    """Scale the weights up and save model and processor."""
    model, processor = made
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(scale)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def load(task, folder, **options):
    """The backend with the model of a folder."""
    backend = resolve(BACKENDS, task)()
    backend.load(parse_model(str(folder), **options), TASKS[task].spec, "cpu")
    return backend


def answers(backend, queries, entered=None):
    """What a backend answers to one batch."""
    return backend.run(backend.prepare(queries), (entered if entered is not None else []).append)


def check(backend, queries):
    """Two queries together and alone: the same answers, of the length that is forced."""
    entered = []
    together = answers(backend, queries, entered)
    alone = [answers(backend, [query]) for query in queries]
    assert ("preprocess", *entered) == backend.phases
    assert list(together.values) == [one.values[0] for one in alone]
    assert together.values[0] != together.values[1]
    if "decode" in backend.phases:
        assert together.output_tokens == 20
        assert all(len(tokens) == 10 for tokens in together.values)
        backend.run_lone(backend.prepare(queries))
    else:
        assert together.output_tokens == 0
        assert all(len(labels) > 10 for labels in together.values)


@pytest.fixture(scope="module")
def recordings():
    """Two of different lengths."""
    return load_workload(TASKS["asr"], BUNDLED, 3).queries[1:]


@pytest.fixture(scope="module")
def cut(recordings):
    """The same two, cut to three seconds each."""
    files = []
    for query in recordings:
        file = io.BytesIO()
        sf.write(file, read_audio(query["audio"], 16_000)[:48_000], 16_000, format="WAV")
        files.append({"audio": file.getvalue()})
    return files


@pytest.fixture(scope="module")
def pictures():
    return load_workload(TASKS["image_captioning"], BUNDLED, 2).queries


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # in WavLM's own code
@pytest.mark.parametrize("family", SPEECH)
def test_a_family_recognizes_speech(family, tmp_path, recordings, cut):
    torch.manual_seed(0)
    backend = load("asr", save(SPEECH[family](), tmp_path, SCALES.get(family, 8.0)))
    check(backend, cut if family in (UNMASKED, *LEAKING) else recordings)
    if family in LEAKING:  # padding reaches the frames beside it, by convolutions over positions
        together, alone = answers(backend, recordings), answers(backend, recordings[1:])
        assert together.values[1][:50] == alone.values[0][:50]


@pytest.mark.parametrize("family", PICTURES)
def test_a_family_captions_images(family, tmp_path, pictures):
    torch.manual_seed(0)
    backend = load("image_captioning", save(PICTURES[family](), tmp_path))
    check(backend, pictures)
    seen = []
    parts = dict(backend.model.named_modules())
    eyes = next(parts[name] for name in EYES if name in parts)
    eyes.register_forward_hook(lambda *_: seen.append("image"))
    answers(backend, pictures, seen)
    assert seen == ["prefill", "image", "decode"]


@pytest.mark.parametrize(
    ("task", "make"), [("asr", whisper), ("image_captioning", git), ("image_captioning", vit_gpt2)]
)
def test_the_tokens_are_the_greedy_ones(task, make, tmp_path, recordings, pictures):
    """Each is the likeliest after those before it, by a whole pass without any cache."""
    torch.manual_seed(0)
    backend = load(task, save(make(), tmp_path))
    query = (recordings if task == "asr" else pictures)[0]
    batch = backend.prepare([query])
    (made,) = backend.run(batch, lambda phase: None).values
    model, settings = backend.model, backend.model.generation_config
    encoded = model.config.is_encoder_decoder
    ids = [settings.decoder_start_token_id if encoded else settings.bos_token_id]
    for _ in range(10):
        given = {"decoder_input_ids" if encoded else "input_ids": torch.tensor([ids])}
        with torch.no_grad():
            scores = model(**batch.inputs, **given, use_cache=False).logits[0, -1]
        scores[settings.eos_token_id] = -torch.inf  # the length is forced
        ids.append(int(scores.argmax()))
    assert made == ids[1:]


@pytest.mark.parametrize(
    ("make", "encodings"), [(whisper, 1), (multilingual_whisper, 2)], ids=lambda v: str(v)[:20]
)
def test_prefill_encodes_and_makes_one_token(make, encodings, tmp_path, recordings):
    """A multilingual Whisper encodes once more, to find out the language, as by default."""
    backend = load("asr", save(make(), tmp_path))
    seen = []
    parts = backend.model.model
    parts.encoder.register_forward_hook(lambda *_: seen.append("encoder"))
    parts.decoder.register_forward_hook(lambda *_: seen.append("decoder"))
    batch = backend.prepare(recordings[:1])
    expected = ["encoder", "decoder"] * encodings
    backend.run_lone(batch)
    assert seen == expected
    seen.clear()
    backend.run(batch, seen.append)
    assert seen == ["prefill", *expected, "decode", *["decoder"] * 9]


def without(folder, key):
    """Take weights out of a saved model."""
    file = folder / "model.safetensors"
    tensors = {name: t for name, t in load_file(file).items() if key not in name}
    assert len(tensors) < len(load_file(file))
    save_file(tensors, file, metadata={"format": "pt"})
    return folder


def test_weights_that_only_training_uses_may_be_missing(tmp_path, recordings):
    """As in the published wav2vec2-base-960h."""
    backend = load("asr", without(save(SPEECH["wav2vec2"](), tmp_path), "masked_spec_embed"))
    check(backend, recordings)


def test_a_model_that_was_not_trained_to_recognize_speech_is_refused(tmp_path):
    folder = without(save(SPEECH["wav2vec2"](), tmp_path), "lm_head")
    config = json.loads((folder / "config.json").read_text())
    pretrained = config | {"architectures": ["Wav2Vec2ForPreTraining"]}
    (folder / "config.json").write_text(json.dumps(pretrained))
    with pytest.raises(ModelError, match="lacks weights for Wav2Vec2ForCTC: lm_head"):
        load("asr", folder)


@pytest.mark.parametrize(
    ("task", "config", "words"),
    [
        ("asr", tf.SeamlessM4TConfig, "family seamless_m4t want a prompt or a language"),
        ("asr", tf.BertConfig, "family bert do not recognize speech.*whisper"),
        ("image_captioning", tf.LlavaConfig, "family llava do not caption .* without a prompt"),
        ("image_captioning", tf.ViTConfig, "family vit do not caption an image.*blip"),
    ],
)
def test_other_families_are_refused_by_name(task, config, words, tmp_path):
    config().save_pretrained(tmp_path)
    with pytest.raises(ModelError) as refused:
        load(task, tmp_path, random_weights=True)
    assert re.search(words, f"{refused.value} {refused.value.remedy}")
