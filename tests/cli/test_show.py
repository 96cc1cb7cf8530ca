"""What there is, as it is listed."""

import json


def test_a_task_is_shown_in_words(command):
    done = command("tasks", "reasoning")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "reasoning: Reasoning, version 1"
    assert "queries 1,000 a pass, 1 at a time" in lines
    assert "precision float16 or bfloat16 on a GPU, float32 on the processor" in lines
    whole = " ".join(lines)
    assert "at most 8,192 tokens, greedy (official); 1,024 unless --max-new-tokens says" in whole
    assert "A: up to 20 billion parameters, 1 GPU; B:" in whole
    assert "C: larger, any number of GPUs" in whole
    assert not set('{}[]"') & set(done.stdout)
    assert "null" not in done.stdout


def test_tasks_of_other_kinds_say_what_is_made(command):
    assert "exactly 10 tokens, greedy" in command("tasks", "text_generation").stdout
    assert "1 image a query, 30 steps of diffusion" in command("tasks", "image_generation").stdout
    assert "answers" not in command("tasks", "object_detection").stdout


def test_the_schema_of_each_file_is_printed_by_its_name(command):
    known = ("result", "choice", "comparison", "gate", "schedule", "tune")
    ids = {name: json.loads(command("schema", name).stdout)["$id"] for name in known}
    assert ids["tune"] == "energyscore-tune-1"
    assert [found.split("-")[1] for found in ids.values()] == list(known)
    assert json.loads(command("schema").stdout)["$id"] == ids["result"]
    wrong = command("schema", "tun")
    assert (wrong.status, wrong.error) == (
        2,
        "error: There is no schema 'tun'. Did you mean 'tune'?",
    )
