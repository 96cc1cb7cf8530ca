"""The report against published energies, on results made by hand; no GPU is needed for that."""

import sys

import pytest
from support.commands import ROOT
from support.results import UUID, make_result, make_run

from energyscore.results.parts import SecondSource

sys.path.append(str(ROOT / "bench"))
from published import PUBLISHED_WH, rank_correlation, report, write_queries

GPU = f"gpu:{UUID}"


def result_of(name, *wh):
    runs = [
        make_run(
            place,
            joules=3600.0 * energy,
            facts={GPU: {"power_integral_j": 3600.0 * energy * 1.02}},
            second_source=SecondSource(
                name="codecarbon", gpu_energy_j=3600.0 * energy * 0.97, reason=""
            ),
        )
        for place, energy in enumerate(wh)
    ]
    return make_result(f"builtin:{name}", runs, weights="random")


def test_each_model_has_its_spread_and_its_cross_checks():
    lines = report([result_of("gpt2", 1.98, 2.0, 2.02)])
    (row,) = [line for line in lines if line.startswith("gpt2 ")]
    assert row.split() == ["gpt2", "2.000", "2.146", "1.00%", "1.020", "0.970", "yes"]
    assert sum("not measured" in line for line in lines) == len(PUBLISHED_WH) - 1


def test_the_rank_correlation_is_that_of_the_ranks():
    scaled = [result_of(name, 0.7 * wh, 0.7 * wh) for name, wh in PUBLISHED_WH.items()]
    assert report(scaled)[-1] == (
        "8 models: rank correlation with the published energies 1.000, of their logarithms 1.000"
    )
    assert rank_correlation([(1.0, 2.0), (2.0, 1.0), (3.0, 3.0)])[0] == pytest.approx(0.5)


def test_the_sample_is_repeated(tmp_path):
    write_queries(tmp_path / "queries.csv", 1000)
    import pandas as pd

    texts = pd.read_csv(tmp_path / "queries.csv")["text"]
    assert len(texts) == 1000
    assert 1 < texts.nunique() < 1000
