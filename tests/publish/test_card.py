import io
import json
import os
import re

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from spdx_python_model import v3_0_1 as spdx
from support.commands import energyscore
from support.results import make_cpu_run, make_result, make_run, make_server_result

from energyscore.judge.rating import RatedResult, rate
from energyscore.publish.card import card_figures, card_section, model_index, to_card_json
from energyscore.publish.card_merge import merge_card
from energyscore.publish.eval_results import eval_result_name, to_eval_results, why_not
from energyscore.publish.spdx import to_spdx
from energyscore.results.result import result_to_json


def measured(name="org/model", wh=1.5, **change):
    """Ten runs of wh, wh and 1% more: the mean is 0.5% above wh."""
    runs = [make_run(index, joules=3600 * wh * (1 + index % 2 / 100)) for index in range(10)]
    return make_result(name, runs, **change)


def estimated(name="org/model", joules=7200.0, **change):
    runs = [make_cpu_run(index, joules=joules * (1 + index / 50)) for index in range(3)]
    return make_result(name, runs, gpu=None, official=False, **change)


def report(*results):
    """Each with its rating among all."""
    ratings = rate(results)
    return [RatedResult(r, rating, "a.json") for r, rating in zip(results, ratings, strict=True)]


COHORT = [estimated(joules=7200.0 * (1 + place), name=f"org/{place}") for place in range(3)]


def test_a_measured_figure_stands_in_the_index_with_all_it_needs():
    (entry,) = model_index(report(measured(wh=2.0)))
    assert entry["task"] == {"type": "text-generation", "name": "Text generation, class A"}
    assert entry["dataset"]["type"] == "EnergyStarAI/text_generation"
    assert entry["dataset"]["revision"] == "abc"
    energy, stars = entry["metrics"]
    assert energy["type"] == "energyscore_gpu_wh_per_1k_queries"
    assert energy["value"] == pytest.approx(2.01)
    facts = energy["args"]
    assert facts["unit"] == "Wh per 1,000 queries"
    assert facts["hardware"] == "NVIDIA H100 80GB HBM3"
    assert facts["measured_at"] == "2026-01-01T00:00:00Z"
    assert facts["estimated"] is False
    assert facts["ci95"][0] < 2.01 < facts["ci95"][1]
    assert (stars["type"], stars["value"]) == ("energyscore_stars", 5)
    assert "aienergyscore-2025-02" in stars["name"]


def test_estimates_have_metrics_of_their_own_and_say_so():
    (entry,) = model_index(report(*COHORT)[:1])
    energy, stars = entry["metrics"]
    assert energy["type"] == "energyscore_estimated_system_wh_per_1k_queries"
    assert "estimated" in energy["name"]
    assert energy["args"]["model"] == "org/0"
    assert energy["args"]["estimated"] is True
    assert stars["type"] == "energyscore_estimated_stars"
    assert "cohort of 3" in stars["name"]
    section = card_section(report(*COHORT)[:1])
    (row,) = [line for line in section.splitlines() if "30.6 Wh" in line]
    assert "| CPU and RAM, estimated | ★★★★★ estimated | cohort of 3 |" in row
    assert "not by a meter" in section


def test_no_stars_are_no_metric_and_no_zero():
    (entry,) = model_index(report(estimated()))
    assert [metric["type"] for metric in entry["metrics"]] == [
        "energyscore_estimated_system_wh_per_1k_queries"
    ]
    (row,) = [line for line in card_section(report(estimated())).splitlines() if " Wh " in line]
    assert "| none | stars are relative: at least two comparable models are needed |" in row


def test_the_table_and_the_metadata_name_the_model_that_was_measured():
    result = measured("org/model")
    model = result.model.model_copy(update={"revision": "0123456789abcdef0123"})
    entries = report(result.model_copy(update={"model": model}))
    assert "| org/model @0123456789ab | " in card_section(entries)
    facts = model_index(entries)[0]["metrics"][0]["args"]
    assert (facts["model"], facts["revision"]) == ("org/model", "0123456789abcdef0123")
    assert "random" not in json.dumps(model_index(entries))


def test_random_weights_have_metrics_of_their_own_and_say_so():
    results = [estimated(f"builtin:{n}", 7200.0 * (1 + n), weights="random") for n in range(3)]
    entries = report(*results)[:1]
    energy, stars = model_index(entries)[0]["metrics"]
    assert energy["type"] == "energyscore_random_weights_estimated_system_wh_per_1k_queries"
    assert stars["type"] == "energyscore_random_weights_estimated_stars"
    assert "random weights" in energy["name"] and "random weights" in stars["name"]
    assert energy["args"]["model"] == "builtin:0"
    assert "| builtin:0 @r, random weights | " in card_section(entries)


def test_a_model_that_ran_in_another_way_than_its_own_says_so():
    how = {"attention": "eager", "attention_default": "sdpa", "compiled": True}
    result = measured()
    entries = report(result.model_copy(update={"model": result.model.model_copy(update=how)}))
    facts = model_index(entries)[0]["metrics"][0]["args"]
    assert (facts["attention"], facts["compiled"]) == ("eager", True)
    assert "@r, eager attention, compiled | " in card_section(entries)
    assert "compiled" not in json.dumps(model_index(report(result)))


def test_two_machines_are_two_entries():
    index = model_index(report(measured(), measured(gpu="NVIDIA A100-SXM4-80GB")))
    assert [entry["metrics"][0]["args"]["hardware"] for entry in index] == [
        "NVIDIA H100 80GB HBM3",
        "NVIDIA A100-SXM4-80GB",
    ]


def test_each_load_of_a_server_is_an_entry_and_a_block_that_say_it():
    loads = [make_server_result(concurrency=n, tokens_per_s=50.0 * n) for n in (1, 8)]
    figures = card_figures(report(*loads))
    named = ["Text generation, 1 at once", "Text generation, 8 at once"]
    assert [one["task"]["name"] for one in figures.results] == named == list(figures.blocks)
    facts = figures.results[1]["metrics"][0]["args"]
    assert (facts["load"], facts["joules_per_output_token"]) == ("8 at once", 0.36)
    assert (
        "- org/model (8 at once): 360 mJ an output token, 400 output tokens a second, first token "
        "40.0 ms (p50), latency 200 ms (p50), 240 ms (p90)."
    ) in figures.blocks[named[1]]


def test_inference_is_no_training_emission():
    content = to_card_json(report(measured())).decode()
    assert "co2" not in content.lower()
    data = json.loads(content)
    assert data["model-index"][0]["name"] == "model"
    assert data["section"] == card_section(report(measured()))


@pytest.mark.parametrize("name", ["a|b", "x <!-- energyscore: end -->", "a\nb", "[a](b)", "`"])
def test_a_name_breaks_no_table(name):
    section = card_section(report(measured(gpu=name)))
    (row,) = [line for line in section.splitlines() if " Wh ±" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 9
    assert "<!--" not in section


def test_no_text_of_a_result_turns_the_writing_around():
    turning = "a\u202eb"
    result = measured(f"org/{turning}", gpu=turning)
    parts = {
        "workload": result.workload.model_copy(update={"revision": turning, "dataset": turning}),
        "model": result.model.model_copy(update={"revision": turning, "dtype": turning}),
    }
    entries = report(result.model_copy(update=parts))
    card, _ = merge_card("", card_figures(entries), "it")
    assert "a b" in card
    for text in (card, to_spdx(entries).decode(), to_card_json(entries).decode()):
        assert "\u202e" not in text


def test_eval_results_are_as_the_hub_reads_them():
    (entry,) = report(measured(wh=2.0, identity="ab" * 32))
    assert why_not(entry) == ""
    assert eval_result_name(entry) == "energyscore_text_generation_ababababab.yaml"
    data = yaml.safe_load(to_eval_results(entry))
    (line,) = parse_eval_result_entries(data)
    assert (line.dataset_id, line.task_id) == ("EnergyStarAI/text_generation", "text_generation")
    assert line.dataset_revision == "abc"
    assert line.value == pytest.approx(2.01)
    assert line.date == "2026-01-01T00:00:00Z"
    for part in ("Wh per 1,000 queries", "NVIDIA H100 80GB HBM3", "95% interval", "stars of 5: 5"):
        assert part in line.notes


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (estimated(), "not measured GPU energy"),
        (measured(weights="random"), "random"),
        (measured(quick=True), "quick"),
        (measured(official=False), "not on the hub"),
        (make_server_result(), "a server under a load (8 at once)"),
    ],
)
def test_what_would_be_ranked_wrongly_stays_out_of_eval_results(result, words):
    (entry,) = report(result)
    assert words in why_not(entry)


def read_spdx(data):
    """By the bindings that are made from the published model; they refuse what it does not have."""
    objects = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().deserialize_data(json.loads(data), objects)
    assert not objects.link()
    spdx.JSONLDSerializer().write(objects, io.BytesIO())  # here it misses what is required
    return objects


def test_spdx_holds_the_energy_in_its_units():
    results = [measured(wh=2.0), measured(wh=0.000123, gpu="NVIDIA A100-SXM4-80GB")]
    data = to_spdx(report(*results))
    objects = read_spdx(data)
    (package,) = [o for o in objects.objects if isinstance(o, spdx.ai_AIPackage)]
    assert package.name == "org/model"
    assert package.software_downloadLocation == "https://huggingface.co/org/model"
    assert package.software_packageVersion == "r"
    assert package.suppliedBy.name == "org"
    amounts = package.ai_energyConsumption.ai_inferenceEnergyConsumption
    assert [float(amount.ai_energyQuantity) for amount in amounts] == pytest.approx(
        [0.00201, 0.000000123615], rel=1e-9
    )
    units = {amount.ai_energyUnit.rpartition("/")[2] for amount in amounts}
    assert units == {"kilowattHour"}
    assert not package.ai_energyConsumption.ai_trainingEnergyConsumption
    assert "the energy of 1,000 queries" in package.comment
    for raw in re.findall(r'"ai_energyQuantity": "(.*?)"', data.decode()):
        assert re.fullmatch(r"\d+\.\d+", raw), "XML's decimal has no exponent"


def test_spdx_says_what_a_figure_is():
    data = to_spdx(report(*COHORT)[:1])
    objects = read_spdx(data)
    (note,) = [o for o in objects.objects if isinstance(o, spdx.Annotation)]
    assert isinstance(note.subject, spdx.ai_AIPackage)
    statement = json.loads(note.statement)
    assert statement["functional_unit"] == "1,000 queries of text_generation"
    assert statement["estimated"] is True
    assert statement["stars_relative_to"] == "cohort of 3"
    assert "CPU and RAM, estimated" in note.subject.comment
    (document,) = [o for o in objects.objects if isinstance(o, spdx.SpdxDocument)]
    assert document.rootElement[0] is note.subject
    claimed = {profile.rpartition("/")[2] for profile in document.profileConformance}
    assert claimed == {"core", "software"}
    assert to_spdx(report(*COHORT)[:1]) == data


def test_an_spdx_document_is_as_old_as_its_newest_result_and_in_utc():
    older, newer = (measured(created_at=f"202{year}-01-01T00:00:00Z") for year in (5, 6))
    objects = read_spdx(to_spdx(report(newer, older)))
    (creation,) = [o for o in objects.objects if isinstance(o, spdx.CreationInfo)]
    assert creation.created.isoformat() == "2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with two models, of which one has an invalid result too."""
    folder = tmp_path_factory.mktemp("cards") / "results"
    folder.mkdir()
    contents = {
        "a": measured("org/a", 1.5, identity="a" * 64),
        "b": measured("org/b", 9.5, identity="b" * 64),
        "estimated": estimated("org/a", identity="c" * 64),
        "invalid": measured("org/a", invalid=["it was stopped"], identity="d" * 64),
        "only-invalid": measured("org/c", invalid=["it was stopped"], identity="e" * 64),
    }
    for name, result in contents.items():
        (folder / f"{name}.json").write_text(result_to_json(result))
    return folder


CARD = "---\nlicense: mit  # really\n---\r\n# A model\r\n"


def test_the_command_merges_into_a_card_and_keeps_its_permissions(results, tmp_path):
    path = tmp_path / "README.md"
    path.write_bytes(CARD.encode())
    path.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to(path)
    done = energyscore("card", results, "--model", "org/a", "--write", link)
    assert done.status == 0, done.stderr
    assert done.stdout == f"{link}: 2 results\n"
    assert "left out of the card" in done.stderr
    assert "it was stopped" in done.stderr
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    merged = path.read_bytes().decode()
    assert "license: mit  # really" in merged
    assert [line.metric_value for line in ModelCard(merged).data.eval_results][:2] == [1.5075, 5]
    again = energyscore("card", results, "--model", "org/a", "--write", path)
    assert again.stdout == f"{path}: unchanged, 2 results\n"
    assert path.read_bytes().decode() == merged
    assert sorted(os.listdir(tmp_path)) == ["README.md", "link.md"]


def test_a_card_keeps_its_other_tasks_and_refuses_another_model(tmp_path):
    task = measured("org/a").task.model_copy(update={"id": "summarization", "digest": "0" * 64})
    contents = {
        "gen": measured("org/a", identity="a" * 64),
        "sum": measured("org/a", identity="b" * 64).model_copy(update={"task": task}),
        "other": measured("org/b", identity="c" * 64),
    }
    for name, result in contents.items():
        (tmp_path / f"{name}.json").write_text(result_to_json(result))
    path = tmp_path / "CARD.md"
    for name in ("gen", "sum"):
        assert energyscore("card", tmp_path / f"{name}.json", "--write", path).status == 0
    card = path.read_text()
    assert "### Text generation, class A" in card and "### Summarization, class A" in card
    tasks = {line.task_type for line in ModelCard(card).data.eval_results}
    assert tasks == {"text-generation", "summarization"}
    refused = energyscore("card", tmp_path / "other.json", "--write", path)
    assert refused.status == 2 and "another model, org/a" in refused.error
    assert path.read_text() == card
    done = energyscore("card", tmp_path / "other.json", "--write", path, "--replace")
    assert "figures of org/a were taken out" in done.stderr
    assert "org/a" not in path.read_text()


def test_the_command_prints_each_form(results):
    new_card = energyscore("card", results / "a.json").stdout
    assert ModelCard(new_card).data.model_name == "a"
    data = json.loads(energyscore("card", results / "a.json", "--format", "json").stdout)
    assert data["card_version"] == 1
    read_spdx(energyscore("card", results / "a.json", "--format", "spdx").stdout)


def test_eval_results_are_written_beside_the_card(results, tmp_path):
    arguments = ["--model", "org/a", "--eval-results", tmp_path, "--write", tmp_path / "README.md"]
    done = energyscore("card", results, *arguments)
    assert done.status == 0, done.stderr
    assert "estimated.json: its figure is not measured GPU energy" in done.stderr
    (file,) = (tmp_path / ".eval_results").iterdir()
    alone = energyscore("card", results, *arguments[:4])
    assert (alone.status, alone.stdout) == (0, "")
    assert yaml.safe_load(file.read_text())[0]["value"] == 1.5075


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["."], 2, "of one model, and here are 3: org/a, org/b, org/c"),
        ([".", "--model", "org/A"], 2, "Did you mean 'org/a'"),
        ([".", "--model", "org/c"], 3, "it was stopped"),
        (["a.json", "--write", "{}", "--format", "json"], 2, "--write is for Markdown"),
        (["estimated.json", "--write", "{}", "--eval-results", "{}.d"], 2, "not measured GPU"),
        (["a.json", "--write", "."], 2, ". is a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_and_writes_nothing(
    results, tmp_path, arguments, status, words
):
    path = tmp_path / "README.md"
    path.write_bytes(CARD.encode())
    done = energyscore("card", *(a.format(path) for a in arguments), cwd=results)
    assert done.status == status, done.stderr
    assert words in done.error
    assert done.stdout == ""
    assert os.listdir(tmp_path) == ["README.md"]
    assert path.read_bytes() == CARD.encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"---\na: [\n---\n", "not YAML in line"), (b"---\n\xff\n---\n", "not UTF-8")],
)
def test_a_broken_card_stays_as_it_is(results, tmp_path, content, words):
    path = tmp_path / "README.md"
    path.write_bytes(content)
    done = energyscore("card", results / "a.json", "--write", path)
    assert done.status == 2
    assert words in done.error
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["README.md"]
