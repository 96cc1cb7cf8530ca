"""Names from files of others reach terminals, logs and spreadsheets as harmless text."""

import csv
import io
import json

import pytest
from support.results import make_result, make_run

from energyscore.base.errors import EnergyScoreError
from energyscore.base.text import csv_text
from energyscore.cli import (
    _complain,
    baseline,
    bundle,
    card,
    choose,
    compare,
    gate,
    label,
    leaderboard,
    page,
    rate,
)
from energyscore.cli.console import data_console, message_console, show_table
from energyscore.results.consistency import contradiction
from energyscore.results.result import parse_result, result_to_json

HOSTILE = "\x1b[2J\x1b]0;title\x07\nforged: 5 stars\r\x9b31m\u202e"


def hostile(**change):
    """A result in which every text that may hold anything does."""
    content = json.loads(result_to_json(make_result(**change)))

    def leaves(part):
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            if isinstance(part[key], dict | list):
                yield from leaves(part[key])
            elif isinstance(part[key], str):
                yield part, key

    content["cautions"] = [{"code": "c", "message": "m"}]
    spoilt = 0
    for part, key in leaves(content):
        before = part[key]
        part[key] = before + HOSTILE
        try:
            sound = not contradiction(parse_result(json.dumps(content), ""))
        except EnergyScoreError:
            sound = False
        spoilt += sound
        part[key] = part[key] if sound else before
    assert spoilt > 40
    assert HOSTILE in content["model"]["id"]
    assert HOSTILE in content["environment"]["gpus"][0]["name"]
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of three models, with their folder's name as the only harmless thing."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, joules in (("a", 3000.0), ("b", 9000.0), ("c", 20000.0)):
        runs = [make_run(index, joules=joules + index) for index in range(10)]
        content = hostile(model=f"org/{name}", runs=runs, identity=name * 64)
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


COMMANDS = {
    "rate": lambda f, out: rate.rate([f]),
    "rate, csv": lambda f, out: rate.rate([f], form="csv"),
    "leaderboard": lambda f, out: leaderboard.leaderboard([f]),
    "leaderboard, csv": lambda f, out: leaderboard.leaderboard([f], form="csv"),
    "leaderboard, official": lambda f, out: leaderboard.leaderboard([f], form="official", out=out),
    "leaderboard, json": lambda f, out: leaderboard.leaderboard([f], form="json"),
    "compare, json": lambda f, out: compare.compare([f / "a.json", f / "b.json"], form="json"),
    "gate, json": lambda f, out: gate.gate([f], limits=["gpu_wh_per_1k_queries<=2"], form="json"),
    "card, shown": lambda f, out: card.card([f / "a.json"]),
    "label": lambda f, out: label.label([f / "a.json"], out=out / "a.svg"),
    "label, which?": lambda f, out: label.label([f]),
    "card": lambda f, out: card.card([f / "a.json"], write=out / "a.md"),
    "card, which?": lambda f, out: card.card([f]),
    "compare": lambda f, out: compare.compare([f / "a.json", f / "b.json"]),
    "choose": lambda f, out: choose.choose([f], max_latency="1ms"),
    "choose, json": lambda f, out: choose.choose([f], form="json"),
    "choose, csv": lambda f, out: choose.choose([f], form="csv"),
    "gate": lambda f, out: gate.gate([f], limits=["gpu_wh_per_1k_queries<=2"], form="table"),
    "baseline save": lambda f, out: baseline.save([f], out),
    "page": lambda f, out: page.page([f], out),
    "bundle": lambda f, out: bundle.bundle([f], out / "a.zip", attest=True),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_lets_a_result_act_on_the_terminal(command, folder, tmp_path, capsys):
    try:
        COMMANDS[command](folder, tmp_path)
    except EnergyScoreError as error:
        _complain(str(error))
    except Exception as error:  # noqa: BLE001 - typer's own way to end with a status
        assert type(error).__name__ == "Exit"
    shown = "".join(capsys.readouterr())
    assert shown
    assert "can be read" not in shown
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e")
    assert not [line for line in shown.split("\n") if line.startswith("forged")]


def test_broken_results_are_named_without_their_spells(tmp_path, capsys):
    file = tmp_path / "a.json"
    file.write_text(json.dumps({**hostile(), "valid": HOSTILE, HOSTILE: 1}))
    with pytest.raises(EnergyScoreError) as caught:
        rate.rate([file])
    _complain(str(caught.value))
    shown = "".join(capsys.readouterr())
    assert shown.count("\n") == 1
    assert "\x1b" not in shown


def test_whatever_is_printed_moves_no_cursor(capsys):
    show_table(f"t{HOSTILE}", ["c"], [[HOSTILE]])
    for console in (message_console(), data_console()):
        console.print(f"  a{HOSTILE}", soft_wrap=True, markup=False)
        console.print("::error::x ##[group]x")
    shown = "".join(capsys.readouterr())
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e")
    assert not [line for line in shown.split("\n") if line.startswith("forged")]
    assert "::" not in shown
    assert "##[" not in shown
    assert "  a" in shown


@pytest.mark.parametrize(
    "formula",
    ["=1", " =1", "\xa0=1", "\uff1d1", "\u200b=1", "\t=1", "\n=1", "+1", "-1", "@a", "\uff20a"],
)
def test_no_cell_is_a_formula(formula):
    row = next(csv.reader(io.StringIO(csv_text(formula))))
    assert row[0].startswith("'")


@pytest.mark.parametrize("name", ["org/model", "org/modèle", "1.5b", "", "a =1", "模型"])
def test_other_cells_stay_as_they_are(name):
    assert csv_text(name) == name
