"""`energyscore scale`: the official leaderboard, brought from a local hub and from files."""

import json
from pathlib import Path

import pytest
from support.commands import energyscore
from support.fake_hub import COMMIT, FakeHub
from support.results import make_result, make_run

from energyscore.results.result import result_to_json

HEADER = "model,total_gpu_energy,energy_score,class"
PUBLISHED = Path(__file__).parents[1] / "data" / "published_stars.json"
SPACE = "AIEnergyScore/Leaderboard"
TABLES = {
    "data/energy/text_generation.csv": [HEADER, "o/a,0.0005,5,A", "o/b,0.0305,1,a"],
    "data/energy/reasoning.csv": [
        f"{HEADER},reasoning",
        *("o/a,9.462,1,A,on", "o/a,0.018,5,A,off", "o/b,12.8,1,A,on", "o/b,0.03,1,A,off"),
    ],
    "data/energy/asr.csv": [HEADER, "o/w,0.0006,5,", "o/x,0.0867,1,"],
    "archive/asr.csv": [HEADER, "o/w,0.1,5,", "o/x,0.2,1,"],
    "models.csv": ["name,size", "o/a,1"],
}


def write(folder, tables):
    for name, lines in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    top = tmp_path_factory.mktemp("spaces")
    changed = {"asr.csv": ["model,gpu_energy_kwh,energy_score", "o/w,1,5", "o/x,2,1"]}
    spaces = {
        "new-owner/Leaderboard": write(top / "good", TABLES),
        "some-org/changed": write(top / "changed", changed),
        "some-org/empty": write(top / "empty", {"README.md": ["# nothing"]}),
        "some-org/unnamed": write(top / "unnamed", {"all.csv": TABLES["data/energy/asr.csv"]}),
    }
    gone = write(top / "gone", {"asr.csv": TABLES["data/energy/asr.csv"]})
    hub = FakeHub({}, {}, spaces | {"some-org/gone": gone}, {SPACE: "new-owner/Leaderboard"})
    hub.gone = gone / "asr.csv"
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One for all tests, so that their commands can be forks of one process."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def env(hub, cache, tmp_path):
    return {
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(cache),
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }


def kept(tmp_path, name="aienergyscore-2026-06"):
    return json.loads((tmp_path / "data/energyscore/scales" / f"{name}.json").read_text())


def test_the_leaderboard_of_today_is_brought_from_where_it_has_moved(env, tmp_path):
    done = energyscore("scale", "update", env=env)
    assert done.status == 0, done.stderr
    scale = kept(tmp_path)
    assert (scale["date"], scale["commit"], scale["protocol"]) == ("2026-06-15", COMMIT, "v2")
    assert scale["source"].endswith("/spaces/new-owner/Leaderboard")
    bands = [(band["task"], band["reasoning"], band["models"]) for band in scale["bands"]]
    assert sorted(bands, key=str) == [
        *(("asr", None, 2), ("reasoning", "off", 2), ("reasoning", "on", 2)),
        ("text_generation", None, 2),
    ]
    assert {file["file"] for file in scale["files"]} == {
        *("asr.csv", "reasoning.csv", "text_generation.csv")
    }
    assert "not read: archive/asr.csv, models.csv" in done.stderr
    assert "no file of image_captioning" in done.stderr
    # What is not of its method is still rated by the older one, and told why not by this.
    result = tmp_path / "result.json"
    result.write_text(result_to_json(make_result(runs=[make_run(n) for n in range(10)])))
    rated = energyscore("rate", result, env=env)
    assert "aienergyscore-2025-02" in rated.stdout
    assert "superseded" in rated.stdout
    assert "aienergyscore-2026-06 is at hand, but was measured by v2" in rated.stdout
    by_it = energyscore("rate", result, "--scale", "latest", "--explain", env=env)
    assert "sampled at temperature 0.7" in by_it.stdout
    listed = energyscore("scale", "list", env=env)
    assert "aienergyscore-2026-06" in listed.stdout
    # Again it is the same; one that was changed meanwhile is no other's to replace.
    assert energyscore("scale", "update", env=env).status == 0
    path = tmp_path / "data/energyscore/scales/aienergyscore-2026-06.json"
    path.write_text(json.dumps(scale | {"commit": "0" * 40}))
    refused = energyscore("scale", "update", env=env)
    assert refused.status == 2
    assert "--replace replaces it; another --name keeps both" in refused.error
    assert kept(tmp_path)["commit"] == "0" * 40
    assert energyscore("scale", "update", "--replace", env=env).status == 0
    assert kept(tmp_path)["commit"] == COMMIT


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--space", "no-such/Space"), "The hub has no Space no-such/Space"),
        (("--space", "a b/c"), "--space a b/c: not the name of a Space"),
        (("--space", "some-org/empty"), "holds no CSV file"),
        (("--space", "some-org/unnamed"), "is named by a task: all.csv"),
        (("--space", "some-org/changed"), "asr.csv, line 1: unknown column 'gpu_energy_kwh'"),
        (("--revision", "f" * 40), f"has no revision '{'f' * 40}'"),
        (("--name", "aienergyscore-2025-02"), "the scale that comes with energyscore"),
    ],
)
def test_what_cannot_be_brought_is_said_in_one_line(env, tmp_path, arguments, said):
    done = energyscore("scale", "update", *arguments, env=env)
    assert done.status == 2
    assert said in done.error
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_listed_and_not_given_is_named(hub, env, monkeypatch, tmp_path):
    hub.withhold("some-org/gone", "asr.csv")
    done = energyscore("scale", "update", "--space", "some-org/gone", env=env)
    assert done.status == 2
    assert "lists a file that it does not give" in done.error
    assert "asr.csv" in done.error


def test_without_a_network_it_says_what_to_do(env, tmp_path):
    for change in ({"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}):
        done = energyscore("scale", "update", env=env | {"HF_HUB_CACHE": str(tmp_path)} | change)
        assert done.status == 2
        assert "scale import *.csv --date YYYY-MM" in done.error
        assert SPACE in done.error


def test_files_make_a_scale_and_come_out_as_they_went_in(env, tmp_path):
    folder = write(
        tmp_path / "official", {Path(n).name: t for n, t in TABLES.items() if "/energy/" in n}
    )
    done = energyscore("scale", "import", folder, "--date", "2025-12", "--name", "mine", env=env)
    assert done.status == 0, done.stderr
    assert kept(tmp_path, "mine")["commit"] is None
    assert "mine: 8 rows of 2025-12" in done.stdout
    board = energyscore(
        *(
            "leaderboard",
            folder,
            "--scale",
            "mine",
            "--format",
            "official",
            "--out",
            tmp_path / "out",
        ),
        env=env,
    )
    assert board.status == 0, board.stderr
    rows = sorted((tmp_path / "out/reasoning.csv").read_text().splitlines())
    assert rows == sorted(
        [
            "model,total_gpu_energy,energy_score,class,reasoning",
            *("o/a,0.018,5,A,off", "o/b,0.03,1,A,off", "o/a,9.462,5,A,on", "o/b,12.8,1,A,on"),
        ]
    )
    shown = energyscore("scale", "show", "mine", env=env)
    assert "reasoning" in shown.stdout
    again = energyscore("scale", "import", folder, "--date", "2025-12", "--name", "mine", env=env)
    assert again.status == 2
    assert "--replace" in again.error


def test_the_bundled_scale_follows_from_the_published_files(env, tmp_path):
    """Row for row: the same ranges, and no published star that they do not give."""
    tables = {}
    for name, rows in json.loads(PUBLISHED.read_text())["tables"].items():
        task, _, size = name.partition(" ")
        lines = tables.setdefault(f"{task}.csv", [HEADER])
        lines += [f"o/{len(lines) + n},{kwh},{stars},{size}" for n, (kwh, stars) in enumerate(rows)]
    folder = write(tmp_path / "official", tables)
    done = energyscore("scale", "import", folder, "--date", "2025-02", "--name", "again", env=env)
    assert done.status == 0, done.stderr
    assert "published star" not in done.stderr
    asked = energyscore("scale", "show", "aienergyscore-2025-02", "--format", "json", env=env)
    bundled = {(b["task"], b["model_class"]): b for b in json.loads(asked.stdout)["bands"]}
    made = kept(tmp_path, "again")["bands"]
    assert len(made) == 5
    for band in made:
        same = bundled[band["task"], band["model_class"]]
        assert band["models"] == same["models"]
        for end in ("min_wh_per_1k_queries", "max_wh_per_1k_queries"):
            assert band[end] == pytest.approx(same[end], abs=1e-6)
