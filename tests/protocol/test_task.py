import copy

import pytest
import yaml

from energyscore.base.errors import TaskError
from energyscore.protocol.task import bundled_tasks_dir, find_task, load_task, load_tasks

OTHER_NAMES = {
    "question_answering": "extractive_qa",
    "asr": "ASR",
    "reasoning": "text_generation",
}
GENERATION = yaml.safe_load((bundled_tasks_dir() / "text_generation.yaml").read_text())


def write(tmp_path, content):
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "text_generation.jsonl").write_text('{"text": "a"}\n')
    path = tmp_path / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_the_bundled_tasks_follow_the_official_protocol():
    tasks = load_tasks()
    assert set(tasks) >= {"text_generation", "text_classification", "sentence_similarity"}
    for task in tasks.values():
        spec = task.spec
        assert (spec.queries, spec.repeats, spec.batch_size) == (1000, 10, 1)
        assert spec.dataset.id == f"EnergyStarAI/{OTHER_NAMES.get(spec.id, spec.id)}"
        assert spec.phases[0] == "preprocess"
    generation = tasks["text_generation"].spec.generation
    assert (generation.min_new_tokens, generation.max_new_tokens) == (10, 10)
    assert tasks["text_classification"].spec.precision == ["float32"]
    images = tasks["image_generation"].spec
    assert (images.diffusion.steps, images.diffusion.images) == (30, 1)
    assert images.precision == ["float32"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"repeat": 10}, "unknown key 'repeat'. Did you mean 'repeats'?"),
        ({"queries": 0}, "queries: it must be above 0 (got 0)"),
        ({"queries": "1000"}, "queries: it must be a whole number (got '1000')"),
        ({"version": True}, "version: it must be a whole number (got true)"),
        ({"dataset": {"id": "x/y", "columns": {}}}, "dataset.columns: it is empty"),
        ({"dataset": {"id": "no-slash", "columns": {"text": "text"}}}, "dataset.id: it must match"),
        ({"phases": ["preprocess", "prefil"]}, "phases[1]: it must be"),
        ({"phases": ["preprocess", "preprocess", "decode"]}, "phases: each may be named once"),
        ({"generation": None}, "generation: is needed with a decode phase"),
        ({"generation": {"max_new_tokens": 5, "min_new_tokens": 6}}, "is larger than"),
        ({"diffusion": {"steps": 30, "images": 1}}, "diffusion: is needed with a call phase"),
        ({"phases": ["preprocess", "decode", "call"]}, "diffusion: is needed with a call phase"),
        ({"diffusion": {"steps": 0, "images": 1}}, "diffusion.steps: it must be above 0 (got 0)"),
        ({"diffusion": {"steps": 30}}, "the key 'diffusion.images' is missing"),
        ({"diffusion": {"steps": 30, "images": 1, "step": 3}}, "unknown key 'diffusion.step'"),
        ({"precision": ["float8"]}, "precision[0]: it must be"),
        ({"sample": {"file": "data/none.jsonl"}}, "none.jsonl does not exist"),
        ({"id": None}, "id: it must be text (got null)"),
    ],
)
def test_a_wrong_task_file_gets_one_line_with_the_key(tmp_path, change, said):
    content = copy.deepcopy(GENERATION) | change
    path = write(tmp_path, content)
    with pytest.raises(TaskError) as caught:
        load_task(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_key_of_a_task_file_is_named_with_its_line(tmp_path):
    lines = yaml.safe_dump(GENERATION, sort_keys=False).splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.startswith("queries:"))
    for line, said in (
        ("queries: none", f"line {number}: queries: it must be a whole number (got 'none')."),
        ("queries: 1\nqueries: 2", f"line {number + 1}: not valid YAML: found duplicate key"),
    ):
        text = "\n".join([*lines[: number - 1], line, *lines[number:]])
        with pytest.raises(TaskError) as caught:
            load_task(write(tmp_path, text))
        assert said in str(caught.value)


@pytest.mark.parametrize("text", ["- a list", "a: [", "just text", ""])
def test_what_is_no_task_at_all_is_refused(tmp_path, text):
    with pytest.raises(TaskError, match=r"mine\.yaml"):
        load_task(write(tmp_path, text))


def test_a_missing_key_is_named(tmp_path):
    content = {key: value for key, value in GENERATION.items() if key != "version"}
    with pytest.raises(TaskError, match="'version' is missing"):
        load_task(write(tmp_path, content))


def test_an_unknown_task_gets_the_nearest_names():
    with pytest.raises(TaskError, match="'text_generation'"):
        find_task("text-generatoin", load_tasks())


def test_the_digest_changes_with_the_work_and_not_with_the_prose(tmp_path):
    def digest(**change):
        return load_task(write(tmp_path, copy.deepcopy(GENERATION) | change)).spec.digest

    assert digest(description="Other words.") == digest()
    assert digest(queries=999) != digest()
    assert digest(generation={"max_new_tokens": 11}) != digest()


def test_tasks_of_ones_own_are_added(tmp_path):
    write(tmp_path, GENERATION | {"id": "my_task"})
    assert "my_task" in load_tasks(tmp_path)
    assert "text_generation" in load_tasks(tmp_path)
    with pytest.raises(TaskError, match="holds no task file"):
        load_tasks(tmp_path / "data")


@pytest.mark.parametrize(
    ("parameters", "bits", "name"),
    [
        (14_700_000_000, None, "A"),  # phi-4, published in class A
        (20_000_000_000, None, "A"),
        (34_400_000_000, None, "B"),  # Yi-1.5-34B, published in class B
        (46_700_000_000, None, "B"),  # Mixtral-8x7B, published in class B
        (70_600_000_000, None, "C"),  # Llama-3-70B, published in class C
        (104_000_000_000, None, "C"),
        (117_000_000_000, 4, "B"),  # four bits halve what an 8-bit parameter takes
        (20_900_000_000, 4, "A"),
        (70_600_000_000, 8, "C"),
    ],
)
def test_classes_by_parameters_and_quantization(parameters, bits, name):
    assert load_tasks()["text_generation"].spec.class_of(parameters, bits) == name
    assert load_tasks()["text_classification"].spec.class_of(parameters, bits) is None
