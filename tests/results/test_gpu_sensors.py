"""The table of what GPUs' sensors err by, against the measurements that it stands on."""

import csv
import statistics
from pathlib import Path

import pytest
from support.results import UUID, make_run

from energyscore.results.gpu_sensors import between_devices, between_names, sensor_error
from energyscore.results.score import score_runs

MEASURED = Path(__file__).parents[1] / "data/real-gpu/yang_sensor_gain_vs_external_meter.csv"


def measured():
    with MEASURED.open() as file:
        return [(r["gpu"], float(r["energy_error_mean_pct"]) / 100) for r in csv.DictReader(file)]


@pytest.mark.parametrize(("gpu", "error"), sorted(set(measured())))
def test_what_was_measured_lies_in_the_span_of_its_name(gpu, error):
    """Within a thousandth; their RTX 1080 is a GTX 1080."""
    found = sensor_error([gpu.replace("_", " ").replace("RTX 10", "GTX 10")])
    assert found.source == "arXiv 2312.02741" or gpu.startswith("NVIDIA_A100")
    assert found.low - 1e-3 <= error <= found.high + 1e-3
    assert (found.low < 0) == (found.high < 0), "one-sided"


def test_the_spread_of_devices_is_that_of_five_rtx_3090():
    errors = [error for gpu, error in measured() if gpu.endswith("RTX_3090")]
    assert statistics.stdev([errors[0], *errors[2:]]) == pytest.approx(0.0135, abs=5e-4)
    assert between_devices(["NVIDIA GeForce RTX 3090"]).device_spread == 0.0135


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("NVIDIA H100 80GB HBM3", -0.05, 0.05),
        ("NVIDIA H100 NVL", -0.05, 0.05),
        ("NVIDIA A100-SXM4-80GB", -0.058, -0.056),
        ("NVIDIA GeForce RTX 4090", -0.055, -0.047),
        ("NVIDIA RTX A5000", -0.07, -0.067),
        ("NVIDIA GeForce RTX 2060 SUPER", 0.127, 0.132),
        # Of these nothing is known: neither of their own nor by a name that is only like one.
        ("NVIDIA H200", -0.1, 0.1),
        ("NVIDIA L4", -0.1, 0.1),
        ("NVIDIA GH200 480GB", -0.1, 0.1),
        ("NVIDIA GeForce RTX 3090 Ti", -0.1, 0.1),
        ("NVIDIA GeForce RTX 2060", -0.1, 0.1),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", -0.1, 0.1),
        ("NVIDIA GeForce RTX 4090 D", -0.1, 0.1),
        ("NVIDIA GeForce RTX 2080", -0.1, 0.1),
        ("", -0.1, 0.1),
    ],
)
def test_a_name_has_its_own_error_or_the_widest(name, low, high):
    found = sensor_error([name])
    assert (found.low, found.high) == (low, high)
    assert between_names([name]).systematic == max(-low, high)
    assert between_devices([name]).systematic == pytest.approx((high - low) / 2)


def test_of_several_gpus_the_widest_span_counts():
    found = sensor_error(["NVIDIA A100-PCIE-40GB", "NVIDIA GeForce RTX 2060 SUPER"])
    assert (found.low, found.high, found.most) == (-0.058, 0.132, 0.132)


def test_a_score_says_what_its_gpus_sensors_err_by():
    score = score_runs([make_run()], [UUID], gpu_names=["NVIDIA A100-PCIE-40GB"])
    assert (score.systematic, score.systematic_range) == (0.058, (-0.058, -0.056))
    unmeasured = score_runs([make_run(joules=None)], [UUID], gpu_names=["NVIDIA H200"])
    assert (unmeasured.systematic, unmeasured.systematic_range) == (None, None)
