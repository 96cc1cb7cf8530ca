"""Reports of the gate lose nothing, and its limits are checked before anything is measured."""

from pathlib import Path

import pytest
from support.commands import energyscore
from support.results import make_result, make_run

from energyscore.base.errors import ResultError, UsageError
from energyscore.judge.gate import run_gate
from energyscore.judge.policy import Policy, rule_of_options
from energyscore.judge.sources import load_rated
from energyscore.publish.gate_files import check_reports, remove_reports
from energyscore.results.result import result_to_json
from energyscore.results.store import load_results

GPU = "gpu_wh_per_1k_queries"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("results", "energy-baseline", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "results/r.json").write_text(result_to_json(make_result()))
    (tmp_path / "energy-baseline/b.json").write_text("kept")
    (tmp_path / "p.yaml").write_text("kept")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"--json": "results/r.json"}, "--json results/r.json would replace"),
        ({"--json": "out/../results/r.json"}, "would replace"),
        ({"--junit": "energy-baseline/b.json"}, "--junit energy-baseline/b.json would replace"),
        ({"--markdown": "p.yaml"}, "--markdown p.yaml would replace"),
        ({"--json": "x", "--junit": "out/../x"}, "--json and --junit name one file"),
        ({"--json": "no/x.json"}, "there is no folder no."),
        ({"--json": "out"}, "is a folder"),
        ({"--json": "results/new.json", "--junit": "gate.xml"}, None),
    ],
)
def test_an_output_is_no_input_and_no_other_output(folder, outputs, said):
    paths = {option: Path(name) for option, name in outputs.items()}
    inputs = [Path(name) for name in ("results", "energy-baseline", "p.yaml")]
    if said is None:
        check_reports(paths, inputs)
        return
    with pytest.raises(UsageError) as caught:
        check_reports(paths, inputs)
    assert said in str(caught.value)


def test_what_lies_in_a_folder_by_a_link_is_not_replaced(folder):
    target = folder / "out/linked.json"
    target.write_text(result_to_json(make_result()))
    (folder / "results/linked.json").symlink_to(target)
    with pytest.raises(UsageError, match="would replace"):
        check_reports({"--json": target}, [Path("results")])


def test_the_command_refuses_before_it_writes_and_leaves_no_old_verdict(folder):
    before = (folder / "results/r.json").read_bytes()
    limits = ("--max", f"{GPU}<=9000")
    refused = energyscore(
        "gate", "results", *limits, "--json", "results/r.json", "--junit", "gate.xml", cwd=folder
    )
    assert (refused.status, (folder / "results/r.json").read_bytes()) == (2, before)
    assert not (folder / "gate.xml").exists()
    reports = [
        word
        for name in ("json", "junit", "markdown", "benchmark")
        for word in (f"--{name}", f"results/gate.{name}.json")
    ]
    for _ in range(2):  # an earlier report is no obstacle
        assert energyscore("gate", "results", *limits, *reports, cwd=folder).status == 0
    wrong = energyscore("gate", "results", "--max", f"{GPU}=>1", *reports, cwd=folder)
    assert wrong.status == 2
    assert [file.name for file in (folder / "results").iterdir()] == ["r.json"]


def test_only_reports_are_removed(folder):
    (folder / "gate.xml").write_text("<?xml version='1.0'?><project/>")
    (folder / "a.md").write_text("## My Energy gate notes: pass\n")
    remove_reports([folder / "gate.xml", folder / "a.md", folder / "none", folder])
    assert (folder / "gate.xml").exists()
    assert (folder / "a.md").exists()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--max", f"{GPU}<=1"), 0, "sound: 1 rule; no result was read."),
        ((), 2, "Nothing is to be checked."),
        (("--max", "gpu_wh<=1"), 2, "unknown figure 'gpu_wh'"),
        (("--policy", "p.yaml"), 2, "must hold a mapping"),
        (("--max-regression", "5%"), 2, "none is named"),
        (("--max-regression", "5%", "--baseline", "out"), 2, "holds no results or baselines"),
        (("--min-stars", "4", "--scale", "nowhere"), 2, "nowhere"),
    ],
)
def test_limits_are_checked_without_results(folder, options, status, said):
    done = energyscore("gate", "--check-policy", *options, cwd=folder)
    assert (done.status, said in done.stdout + done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize("content", ["", "{", '{"schema_vers', " \n", '{"a": [1, 2', "\0\0"])
def test_a_json_file_that_is_cut_off_stops_what_decides(folder, content):
    (folder / "results/x.json").write_text(content)
    with pytest.raises(ResultError, match=r"x\.json"):
        load_rated([folder / "results"])
    with pytest.raises(ResultError, match=r"x\.json"):
        load_results([folder / "results"])
    told = []
    assert len(load_results([folder / "results"], told.append)) == 1
    assert len(told) == 1


def test_stars_are_given_only_where_a_rule_asks_for_them(folder):
    runs = [make_run(n, joules=3 * 3600.0) for n in range(10)]
    other = make_result("org/other", runs, identity="b" * 64)
    (folder / "results/s.json").write_text(result_to_json(other))
    places = [folder / "results"]
    rated, bare = (load_rated(places, "cohort", stars=stars) for stars in (True, False))
    assert [one.rating.stars for one in rated] == [5, 1]
    assert [one.rating.stars for one in bare] == [None, None]
    assert [one.headline for one in bare] == [one.headline for one in rated]
    told = []
    for stars, least in ((False, None), (True, 2)):
        rule = rule_of_options([f"{GPU}<=2"], least, None)
        policy = Policy(rules=(("options", rule),))
        assert policy.needs_stars is stars
        told.append(run_gate(load_rated(places, stars=stars), [], policy, "2026-01-01T00:00:00Z"))
    limits = [[one for one in verdict.checks if one.kind == "limit"] for verdict in told]
    assert limits[0] == limits[1] == told[0].checks
    assert len(told[1].checks) == 4
    with pytest.raises(UsageError, match="nowhere"):
        load_rated(places, "nowhere", stars=False)


@pytest.mark.parametrize("content", ["{}", "[1]", "NaN"])
def test_whole_json_of_others_may_lie_among_results(folder, content):
    (folder / "results/x.json").write_text(content)
    assert len(load_rated([folder / "results"])) == 1
