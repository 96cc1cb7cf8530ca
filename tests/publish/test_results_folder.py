"""The folder of results as `run` leaves it: rated, and its table."""

import csv

import pytest
from support.results import make_result

from energyscore.protocol.grid import find_grid
from energyscore.publish.results_folder import ResultsFolder
from energyscore.results import store
from energyscore.results.score import emissions_for
from energyscore.results.store import KnownResults, save_result


def fail(error):
    pytest.fail(f"told of {error}")


def rows(folder):
    with (folder / "results.csv").open() as file:
        return [row["model"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    "earlier",
    [{"created_at": "2026-06-01T00:00:00Z"}, {"created_at": "2025-06-01T00:00:00Z"}],
    ids=["clock set back", "clock as it was"],
)
@pytest.mark.parametrize("invalid", [(), ("the GPU was lost",)], ids=["valid", "invalid"])
def test_a_session_shows_what_it_measured_beside_the_same_from_before(tmp_path, earlier, invalid):
    save_result(tmp_path, make_result(**earlier))
    save_result(tmp_path, make_result("org/other", identity="1" * 64))
    own = make_result(created_at="2026-01-01T00:00:00Z", invalid=invalid)
    path = save_result(tmp_path, own)
    assert [
        entry.result for entry in ResultsFolder(KnownResults(tmp_path, fail)).rated_own([path])
    ] == [own]


def test_the_table_names_a_broken_result_once_and_leaves_hidden_folders_out(tmp_path):
    save_result(tmp_path / "a", make_result("org/a"))
    save_result(tmp_path / ".cache", make_result("org/hidden", identity="1" * 64))
    (tmp_path / "torn.json").write_text('{"schema_version": 1, "created_at": "2026')
    told = []
    folder = ResultsFolder(KnownResults(tmp_path, told.append))
    folder.write_csv()
    folder.write_csv()
    assert rows(tmp_path) == ["org/a"]
    assert [str(tmp_path / "torn.json") in error.message for error in told] == [True]


def test_each_file_is_read_once_and_again_only_where_it_changed(tmp_path, monkeypatch):
    read = []

    def load(path):
        read.append(path.name)
        return load_result(path)

    load_result = store.load_result
    monkeypatch.setattr(store, "load_result", load)
    first = save_result(tmp_path / "a", make_result("org/a"))
    folder = ResultsFolder(KnownResults(tmp_path, fail))
    folder.write_csv()
    second = save_result(tmp_path / "b", make_result("org/b", identity="1" * 64))
    folder.write_csv()
    assert rows(tmp_path) == ["org/a", "org/b"]
    assert [entry.result.model.id for entry in folder.rated_own([second])] == ["org/b"]
    first.write_text(second.read_text().replace("org/b", "org/c"))
    second.unlink()
    folder.write_csv()
    assert rows(tmp_path) == ["org/c"]
    assert read == [first.name, second.name, first.name]


def test_an_empty_folder_gives_an_empty_table(tmp_path):
    ResultsFolder(KnownResults(tmp_path / "new", fail)).write_csv()
    assert rows(tmp_path / "new") == []


def test_the_table_has_the_co2_of_the_country_that_was_asked_for(tmp_path):
    result = make_result()
    emissions = emissions_for("FRA")
    save_result(tmp_path, result.model_copy(update={"emissions": emissions}))
    ResultsFolder(KnownResults(tmp_path, fail)).write_csv()
    with (tmp_path / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    grid = find_grid("FRA")
    assert (row["country"], row["grid_source"]) == ("FRA", grid.source)
    kwh = result.score.gpu_wh_per_1k_queries / 1000
    assert float(row["gpu_co2_g_per_1k_queries"]) == pytest.approx(kwh * grid.g_per_kwh)
