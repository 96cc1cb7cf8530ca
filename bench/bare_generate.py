"""The least that the work needs: import, load, generate once over the prompts. No metering."""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "energyscore/protocol/bundled"


def load(name):
    """The same bundled architecture and tokenizer as the benchmark's, by transformers alone."""
    table = json.loads((BUNDLED / "architectures.json").read_text())
    settings = dict(table["architectures"][name]["config"])
    kind = settings.pop("model_type")
    config = AutoConfig.for_model(kind, **settings, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(BUNDLED / "tokenizer.json")),
        pad_token="<pad>",
        model_max_length=config.max_position_embeddings,
    )
    return model, tokenizer


def prompts(count):
    """The first prompts of the bundled sample."""
    lines = (ROOT / "tasks/data/text_generation.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines[:count]]


def generate_all(model, tokenizer, texts):
    """Ten forced greedy tokens for each prompt, one at a time."""
    for text in texts:
        inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=1014)
        with torch.inference_mode():
            model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=10,
                min_new_tokens=10,
                do_sample=False,
            )


if __name__ == "__main__":
    generate_all(*load(sys.argv[1]), prompts(int(sys.argv[2])))
