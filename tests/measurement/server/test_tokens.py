"""Tokens that a server does not tell, counted by a tokenizer that is named for it."""

from dataclasses import replace

import pytest
from support.api_server import api_server
from support.results import make_server_result

from energyscore.base.errors import UsageError
from energyscore.measurement.backends.processors import bundled_tokenizer
from energyscore.measurement.options import RunOptions
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.cautions import load_cautions
from energyscore.measurement.server.find import find_server
from energyscore.measurement.server.tokens import load_tokenizer, named_spec
from energyscore.measurement.server_asked import LoadAsked, ServerAsked
from energyscore.protocol.task import load_tasks
from energyscore.protocol.workload import Workload

RUNS = make_server_result().runs
LONG = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A folder with a tokenizer, whose chats are of the words between two marks."""
    made = bundled_tokenizer(padding_side="left", framed=False, longest=512)
    made.chat_template = (
        "{% for one in messages %}<s>{{ one.content }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<s>{% endif %}"
    )
    folder = tmp_path_factory.mktemp("tokenizer") / "named"
    made.save_pretrained(folder)
    return made, str(folder)


def test_what_a_server_does_not_tell_is_counted_in_the_texts(tokenizer):
    made, folder = tokenizer
    counts = load_tokenizer(folder)
    assert counts.name == "named"
    long = len(made(LONG)["input_ids"])
    word = len(made("a")["input_ids"])
    whole = Answer(0, 1, text=LONG, asked={"prompt": LONG})
    found = counts.counted(
        [
            whole,
            replace(whole, input_tokens=7, output_tokens=3),
            replace(whole, error="it broke off"),
            replace(whole, thoughts="a", asked={"messages": [{"role": "user", "content": LONG}]}),
            Answer(0, 1, output_tokens=0, asked={"input": [LONG, "a"]}),
            Answer(0, 1, text=LONG, asked={"model": "m", "response_format": "json"}),
        ]
    )
    assert [(one.input_tokens, one.output_tokens) for one in found] == [
        (long, long),
        (7, 3),  # the server's own count stays
        (None, None),
        (long + 3, len(made("a" + LONG)["input_ids"])),  # two marks around it, and the last
        (long + word, 0),
        (None, long),  # a recording has no tokens
    ]
    assert [one.thinking_tokens for one in found] == [None, None, None, word, None, None]


def test_it_is_used_where_a_server_does_not_tell(tokenizer):
    task = load_tasks()["text_generation"].spec
    workload = Workload(({"text": LONG},), "mine", None, False, 1)

    def asked(address, name):
        server = ServerAsked(address=address, loads=(LoadAsked(concurrency=1),), tokenizer=name)
        options = RunOptions(device="cpu")
        return find_server(server, "org/model", options, [(task, workload, task.generation)])

    with api_server(usage=False) as (address, _):
        for name, by in ((None, None), (tokenizer[1], "tokenizer")):
            can = asked(address, name).abilities[task.id]
            assert (can.tokens_by, can.lengths) == (by, "actual")
    assert "tokens_estimated" in [caution.code for caution in load_cautions(RUNS, can)]
    with api_server() as (address, _):
        server = asked(address, tokenizer[1])
        assert server.abilities[task.id].tokens_by == "usage"
        assert server.tokenizer.name == "named"


def test_a_tokenizer_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UsageError, match=r"--tokenizer .* cannot be loaded: .*Name the folder"):
        load_tokenizer(str(tmp_path))
    with pytest.raises(UsageError, match="neither a folder nor an id"):
        named_spec("no such/folder at all")
