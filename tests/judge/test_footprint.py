"""CO2 and cost: derived from energy by arithmetic that is checked here by hand."""

import csv
import importlib.util
import io
import json

import pytest
from support.commands import python
from support.results import make_cpu_run, make_result, make_run

from energyscore.base.errors import UsageError
from energyscore.base.units import format_grams
from energyscore.cli.console import show_report
from energyscore.judge.footprint import footprint_of, format_cost, make_site
from energyscore.judge.rating import RatedResult, rate
from energyscore.protocol import grid
from energyscore.protocol.grid import Grid, find_grid
from energyscore.publish.report_csv import to_csv
from energyscore.publish.report_json import to_json
from energyscore.results.score import emissions_for
from energyscore.results.store import save_result

GRID = Grid("FRA", 50.0, "a table, year 2023")


def gpu_result(wh=2.0, **change):
    return make_result(runs=[make_run(i, joules=3600.0 * wh) for i in range(10)], **change)


def report_of(site, *results):
    ratings = rate(results)
    return [
        RatedResult(result, rating, footprint=footprint_of(result, site))
        for result, rating in zip(results, ratings, strict=True)
    ]


def test_co2_and_cost_are_energy_times_pue_times_intensity_or_price():
    footprint = footprint_of(gpu_result(2.0), make_site(GRID, 1.5, "0.4 EUR"))
    # 2 Wh x 1.5 = 3 Wh = 0.003 kWh; x 50 g/kWh = 0.15 g; x 0.4 EUR/kWh = 0.0012 EUR
    assert footprint.gpu_co2_g_per_1k_queries == pytest.approx(0.15, rel=1e-12)
    assert footprint.gpu_cost_per_1k_queries == pytest.approx(0.0012, rel=1e-12)
    assert (footprint.country, footprint.grid_g_per_kwh, footprint.grid_source) == (
        "FRA",
        50.0,
        "a table, year 2023",
    )
    assert (footprint.pue, footprint.price_per_kwh, footprint.currency) == (1.5, 0.4, "EUR")


def test_energy_that_is_not_known_has_no_co2_and_no_cost_but_a_reason():
    site = make_site(GRID, None, "0.4")
    lost = footprint_of(make_result(runs=[make_run(joules=None)]), site)
    assert lost.gpu_co2_g_per_1k_queries is None
    assert lost.gpu_cost_per_1k_queries is None
    assert "GPU: run 1: gpu:GPU-0: the GPU was lost" in lost.reason
    estimated = footprint_of(make_result(runs=[make_cpu_run()], gpu=None), site)
    assert estimated.gpu_co2_g_per_1k_queries is None
    assert estimated.system_co2_g_per_1k_queries == pytest.approx(30.0 / 1000 * 50.0)
    assert "no GPU was metered" in estimated.reason


def with_emissions(result, **change):
    emissions = emissions_for(None).model_copy(update=change)
    return result.model_copy(update={"emissions": emissions})


def test_a_price_alone_keeps_the_grid_that_an_old_result_recorded():
    result = gpu_result(2.0)
    old = with_emissions(
        result, country="DEU", intensity_g_per_kwh=300.0, source="another table", reason=""
    )
    for site, pue in ((make_site(None, 2.0, "1 USD"), 2), (None, 1)):
        footprint = footprint_of(old, site)
        assert (footprint.country, footprint.grid_source) == ("DEU", "another table")
        assert footprint.gpu_co2_g_per_1k_queries == pytest.approx(2.0 / 1000 * pue * 300)
    assert footprint_of(old, make_site(GRID)).country == "FRA"
    assert footprint_of(result, make_site(None, 2.0, "1")).gpu_co2_g_per_1k_queries is None
    assert footprint_of(result) is None


def test_a_country_that_was_asked_for_when_measuring_is_derived_when_shown():
    result = with_emissions(gpu_result(2.0), country="FRA")
    france = find_grid("FRA")
    footprint = footprint_of(result)
    assert footprint.gpu_co2_g_per_1k_queries == pytest.approx(2.0 / 1000 * france.g_per_kwh)
    assert (footprint.country, footprint.grid_source) == ("FRA", france.source)
    assert footprint.gpu_cost_per_1k_queries is None


@pytest.fixture
def no_codecarbon(monkeypatch):
    find_spec = importlib.util.find_spec
    hidden = {"codecarbon": None}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: hidden.get(name, find_spec(name)))
    grid._country_table.cache_clear()
    yield
    grid._country_table.cache_clear()


@pytest.mark.usefixtures("no_codecarbon")
def test_without_codecarbon_a_country_says_what_to_install_and_rate_works(tmp_path, command):
    asked = with_emissions(gpu_result(2.0), country="FRA")
    save_result(tmp_path / "results", asked)
    done = command("rate", "results", "--country", "FRA")
    assert done.status == 3
    assert "not installed. Install it: pip install codecarbon" in done.error
    done = command("rate", "results", "--format", "json")
    assert done.status == 0, done.stderr
    footprint = json.loads(done.stdout)["results"][0]["footprint"]
    assert footprint["gpu_co2_g_per_1k_queries"] is None
    assert footprint["reason"].startswith(
        "CO2: --country, whose table is CodeCarbon's, needs codecarbon"
    )
    assert command("rate", "results").status == 0


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("0.25", (0.25, None)),
        ("0.25 EUR", (0.25, "EUR")),
        ("0.25eur/kWh", (0.25, "EUR")),
        (" .5 € ", (0.5, "€")),
        ("12 / kWh", (12.0, None)),
    ],
)
def test_a_price_is_a_number_and_perhaps_a_currency(text, price):
    site = make_site(None, None, text)
    assert (site.price_per_kwh, site.currency) == price


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "nan",
        "inf",
        "0,25",
        "EUR 1",
        "1e-3",
        "0.2 doubloons",
        "1 EU",
        "1 =",
        "9" * 400,
    ],
)
def test_a_price_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--price"):
        make_site(None, None, text)


@pytest.mark.parametrize("pue", [0.99, 0.0, -1.0, 10.1, float("nan"), float("inf")])
def test_a_pue_that_no_building_has_is_refused(pue):
    with pytest.raises(UsageError, match="--pue"):
        make_site(GRID, pue)


def test_a_pue_alone_changes_nothing_and_is_refused():
    with pytest.raises(UsageError, match="neither was asked for"):
        make_site(None, 1.2)
    assert make_site(None) is None


def test_stars_and_score_are_the_same_with_and_without():
    results = [gpu_result(2.0), gpu_result(20.0, model="org/other")]
    entries = json.loads(to_json(report_of(make_site(GRID, 3.0, "9"), *results)))["results"]
    plain = rate(results)
    assert [entry["rating"]["stars"] for entry in entries] == [r.stars for r in plain]
    assert [entry["rating"]["energy_wh"] for entry in entries] == [r.energy_wh for r in plain]
    assert entries[0]["footprint"]["gpu_co2_g_per_1k_queries"] == pytest.approx(0.3)
    assert entries[0]["result"]["emissions"]["country"] is None  # the file's, untouched


def test_the_csv_has_what_was_asked_for_now():
    report = report_of(make_site(GRID, 1.5, "0.4 EUR"), gpu_result(2.0))
    row = next(csv.DictReader(io.StringIO(to_csv(report).decode(), newline="")))
    assert float(row["gpu_co2_g_per_1k_queries"]) == pytest.approx(0.15)
    assert float(row["gpu_cost_per_1k_queries"]) == pytest.approx(0.0012)
    assert [row[name] for name in ("country", "grid_source", "pue", "currency")] == [
        "FRA",
        "a table, year 2023",
        "1.5",
        "EUR",
    ]
    assert row["system_cost_per_1k_queries"] == ""
    assert row["footprint_reason"].startswith("system: ")


def test_people_see_what_they_stand_on(capsys):
    show_report(report_of(make_site(GRID, 1.5, "0.4 EUR"), gpu_result(2.0)))
    shown = capsys.readouterr().out
    assert "150 mg" in shown
    assert "0.00120 EUR" in shown
    assert "(1.20 EUR for 1,000,000)" in shown
    assert "x PUE 1.5 x 50.0 g/kWh (FRA; a table, year 2023). Operational only" in shown
    assert "x 0.4 EUR/kWh" in shown
    assert "no part of the score or the stars" in shown


def test_small_figures_are_never_shown_as_zero():
    assert [format_grams(g) for g in (1234.0, 1.0, 0.0021)] == ["1.23 kg", "1.00 g", "2.10 mg"]
    assert format_cost(0.5, "EUR") == "0.500 EUR"
    assert format_cost(0.000002, None) == "0.00000200\n(0.00200 for 1,000,000)"
    assert format_cost(2.7e-05, "EUR") == "0.0000270 EUR\n(0.0270 EUR for 1,000,000)"


def test_the_table_is_read_without_importing_codecarbon():
    code = (
        "import sys\nfrom energyscore.protocol.grid import find_grid\n"
        "print(find_grid('fra').g_per_kwh, 'codecarbon' in sys.modules)"
    )
    done = python(code)
    assert done.stdout.split() == [str(find_grid("FRA").g_per_kwh), "False"]
    assert "year 20" in find_grid("FRA").source


def test_rate_gives_them_for_saved_results(tmp_path, command):
    save_result(tmp_path / "results", gpu_result(2.0))
    options = ("--country", "fra", "--pue", "1.2", "--price", "0.25 EUR", "--format", "json")
    done = command("rate", "results", *options)
    assert done.status == 0, done.stderr
    footprint = json.loads(done.stdout)["results"][0]["footprint"]
    expected = 2.0 / 1000 * 1.2 * find_grid("FRA").g_per_kwh
    assert footprint["gpu_co2_g_per_1k_queries"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--country", "France"), "Did you mean 'FRA'?"),
        (("--country", "FR"), "'FRA'"),
        (("--country", "CAF"), "no grid intensity is known"),  # the table says 0: not known
        (("--pue", "0.5", "--price", "1"), "from 1 to 10"),
        (("--pue", "much", "--price", "1"), "'--pue'"),
        (("--pue", "1.2"), "neither was asked for"),
        (("--price", "0,25"), "with a decimal point"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line_with_status_2(command, arguments, said):
    done = command("rate", "results", *arguments)
    assert done.status == 2
    assert said in done.error
