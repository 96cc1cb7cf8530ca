"""CodeCarbon itself, on this machine: an estimate, labelled, and deaf to settings not ours."""

import configparser
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from codecarbon.core import util
from codecarbon.external import ram

from energyscore.base.errors import MeterError, UsageError
from energyscore.measurement.environment import processor_name
from energyscore.measurement.meter import Metered
from energyscore.measurement.meters.codecarbon import GPU_CHECK, CodeCarbonMeter
from energyscore.protocol.grid import find_grid


def measure() -> tuple[Metered, float, float]:
    """A window, the time that it lasted at least, and at most."""
    meter = CodeCarbonMeter()
    meter.open()
    outer = time.monotonic()
    token = meter.start()
    inner = time.monotonic()
    time.sleep(0.2)
    least_s = time.monotonic() - inner
    measurement = meter.stop(token)
    most_s = time.monotonic() - outer
    meter.close()
    meter.close()
    return measurement, least_s, most_s


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder, and a home without settings."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_processor_and_memory_are_estimated_and_no_file_is_written(folder):
    measurement, _, _ = measure()
    for domain in ("cpu", "ram"):
        reading = measurement.readings[domain]
        assert reading.method == "estimated"
        assert reading.energy_j > 0
    check = measurement.readings[GPU_CHECK]
    assert (check.energy_j, check.reason) == (None, "no GPU was metered")
    assert measurement.notices == ()
    assert list(folder.iterdir()) == []


def test_in_a_job_of_slurm_the_machine_is_estimated_too_without_scontrol(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    for module in (util, ram):
        monkeypatch.setattr(module, "SLURM_JOB_ID", "77")
    measurement, _, _ = measure()
    assert all(measurement.readings[domain].energy_j > 0 for domain in ("cpu", "ram"))
    assert (util.SLURM_JOB_ID, ram.SLURM_JOB_ID) == ("77", "77"), "it is put back"


HOSTILE = {
    "pue": "5",
    "wue": "5",
    "force_ram_power": "5000",
    "force_cpu_power": "50000",
    "tracking_mode": "process",
    "save_to_file": "true",
    "save_to_logger": "true",
    "log_level": "debug",
    "country_iso_code": "nowhere",
    "gpu_ids": "0,1,2",
    "measure_power_secs": "0.01",
    "allow_multiple_runs": "false",
}


def hostile_file(folder, monkeypatch, settings):
    lines = [f"{name}={value}" for name, value in settings.items()]
    (folder / ".codecarbon.config").write_text("\n".join(["[codecarbon]", *lines]))


def hostile_variables(folder, monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(f"CODECARBON_{name.upper()}", value)


@pytest.mark.parametrize("give", [hostile_file, hostile_variables])
def test_settings_that_are_not_ours_do_not_change_the_figures(folder, monkeypatch, give, capfd):
    plain, plain_least_s, plain_most_s = measure()
    give(folder, monkeypatch, HOSTILE)
    files = list(folder.iterdir())
    hostile, hostile_least_s, hostile_most_s = measure()
    # Memory is taken to have constant power, which lies between these bounds.
    plain_j, hostile_j = (m.readings["ram"].energy_j for m in (plain, hostile))
    assert hostile_j / hostile_most_s <= plain_j / plain_least_s
    assert plain_j / plain_most_s <= hostile_j / hostile_least_s
    assert 0 < hostile.readings["cpu"].energy_j < 5_000 * hostile_most_s
    assert list(folder.iterdir()) == files
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("place", ["home", "here"])
@pytest.mark.parametrize("content", ["no section\n", "[codecarbon]\na=1\na=2\n", "\0\xff"])
def test_a_broken_file_of_settings_does_not_cost_the_figures(folder, place, content):
    (folder.parent / place / ".codecarbon.config").write_bytes(content.encode("latin-1"))
    assert measure()[0].readings["cpu"].energy_j is not None


def test_without_a_home_there_are_figures_all_the_same(folder, monkeypatch):
    """As in a container that runs as a user whom nothing knows."""
    import os
    import pwd

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(RuntimeError):
        os.fspath(Path.home())
    assert measure()[0].readings["ram"].energy_j is not None


def test_folders_that_cannot_be_written_are_not_written(folder, monkeypatch):
    for place in (folder, folder.parent / "home"):
        place.chmod(0o500)
    assert measure()[0].readings["ram"].energy_j is not None
    for place in (folder, folder.parent / "home"):
        place.chmod(0o700)
        assert list(place.iterdir()) == []


def test_where_it_fails_its_settings_are_named(folder, monkeypatch):
    from codecarbon import OfflineEmissionsTracker

    def fail(self, **options):
        raise configparser.MissingSectionHeaderError("x", 1, "?")

    monkeypatch.setattr(OfflineEmissionsTracker, "__init__", fail)
    (folder / ".codecarbon.config").write_text("?")
    with pytest.raises(MeterError) as caught:
        CodeCarbonMeter().open()
    assert str(folder / ".codecarbon.config") in caught.value.remedy


@pytest.mark.parametrize("setting", [{"output_dir": "/nonexistent"}, {"output_methods": "no"}])
def test_settings_that_are_not_ours_do_not_cost_the_figures(folder, monkeypatch, setting):
    hostile_variables(folder, monkeypatch, setting)
    assert measure()[0].readings["cpu"].energy_j is not None


def test_what_it_warns_of_costs_nobody_a_figure_and_is_not_shown(folder, monkeypatch):
    """As with `python -W error`: CodeCarbon warns of its own settings where it is built."""
    from codecarbon import OfflineEmissionsTracker

    def warn_and(method):
        def warning(self, *arguments, **options):
            warnings.warn("of its own doing", DeprecationWarning, stacklevel=2)
            return method(self, *arguments, **options)

        return warning

    for name in ("__init__", "start_task", "stop_task"):
        method = getattr(OfflineEmissionsTracker, name)
        monkeypatch.setattr(OfflineEmissionsTracker, name, warn_and(method))
    for action in ("error", "always"):
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter(action)
            measurement, _, _ = measure()
        assert measurement.readings["cpu"].method == "estimated"
        assert shown == []


@pytest.mark.parametrize("name", ["electricitymaps_api_token", "co2_signal_api_token"])
def test_no_network_is_asked_in_a_window(folder, monkeypatch, name):
    import requests

    asked = []

    def answer(*arguments, **options):
        asked.append(arguments)
        response = requests.Response()
        response.status_code, response._content = 200, b'{"carbonIntensity": 50}'
        return response

    monkeypatch.setattr(requests.Session, "request", answer)
    hostile_variables(folder, monkeypatch, {name: f"my-{name}"})  # it caches by token
    measure()
    assert asked == []


def with_tracker(stop_task) -> Metered:
    """What the meter says with a tracker that ends its windows so."""
    meter = CodeCarbonMeter((0,))
    meter._tracker = SimpleNamespace(start_task=lambda name: None, stop_task=stop_task)
    return meter.stop(meter.start())


def raising(error):
    def stop_task(name):
        raise error

    return stop_task


def assert_nothing(measurement, reason):
    assert set(measurement.readings) == {"cpu", "ram", GPU_CHECK}
    for reading in measurement.readings.values():
        assert (reading.energy_j, reading.method, reading.reason) == (None, None, reason)
    assert [notice.code for notice in measurement.notices] == ["codecarbon_failed"]
    assert not measurement.notices[0].invalidates


@pytest.mark.parametrize(
    "error", [OSError("gone"), ValueError("gone"), TypeError("gone"), AttributeError("gone")]
)
def test_a_tracker_that_fails_gives_nothing_but_a_reason(error):
    measurement = with_tracker(raising(error))
    assert_nothing(measurement, f"CodeCarbon failed: {type(error).__name__}: gone")


@pytest.mark.parametrize("at", ["start_task", "stop_task"])
def test_a_lost_gpu_ends_no_run(at):
    def fail(name):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    meter = CodeCarbonMeter((0,))
    tasks = {"start_task": lambda name: None, "stop_task": lambda name: None}
    meter._tracker = SimpleNamespace(**tasks | {at: fail})
    measurement = meter.stop(meter.start())
    reason = measurement.readings["cpu"].reason
    assert_nothing(measurement, reason)
    assert "GpuIsLost" in reason


def test_a_lost_gpu_costs_the_gpu_figure_only(folder, monkeypatch):
    """CodeCarbon asks all GPUs of the machine while it sets itself up, and one does not answer."""
    from codecarbon.core import gpu, resource_tracker

    asked = []

    def lost(gpu_ids):
        asked.append(gpu_ids)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(gpu, "is_nvidia_system", lambda: True)
    monkeypatch.setattr(resource_tracker.GPU, "from_utils", lost)
    meter = CodeCarbonMeter((7,))
    meter.open()
    assert asked == [[7]]
    assert gpu.is_nvidia_system()
    token = meter.start()
    time.sleep(0.2)
    measurement = meter.stop(token)
    for domain in ("cpu", "ram"):
        assert measurement.readings[domain].method == "estimated"
        assert measurement.readings[domain].energy_j > 0
    check = measurement.readings[GPU_CHECK]
    assert check.energy_j is None
    assert "GpuIsLost" in check.reason
    assert measurement.notices == ()


def test_a_tracker_without_figures_gives_nothing_but_a_reason():
    assert_nothing(with_tracker(lambda name: None), "CodeCarbon gave no figures")


@pytest.mark.parametrize("error", [RuntimeError("gone"), ZeroDivisionError("gone")])
def test_whatever_the_tracker_raises_the_run_goes_on(error):
    measurement = with_tracker(raising(error))
    assert_nothing(measurement, f"CodeCarbon failed: {type(error).__name__}: gone")


@pytest.mark.parametrize("energy_kwh", [None, 0, 0.0, -1e-6])
def test_no_figure_a_zero_and_a_negative_one_are_nothing_but_a_reason(energy_kwh):
    data = SimpleNamespace(cpu_energy=energy_kwh, ram_energy=1e-6, gpu_energy=energy_kwh)
    readings = with_tracker(lambda name: data).readings
    for domain in ("cpu", GPU_CHECK):
        assert (readings[domain].energy_j, readings[domain].method) == (None, None)
        assert readings[domain].reason != ""
    assert readings["ram"].energy_j == pytest.approx(3.6)


def test_kilowatt_hours_become_joules():
    data = SimpleNamespace(cpu_energy=0.5, ram_energy=1e-6, gpu_energy=0.25)
    readings = with_tracker(lambda name: data).readings
    assert {d: (r.energy_j, r.method) for d, r in readings.items()} == {
        "cpu": (1.8e6, "estimated"),
        "ram": (pytest.approx(3.6), "estimated"),
        GPU_CHECK: (0.9e6, "estimated"),
    }


@pytest.mark.parametrize("code", ["FRA", "fra"])
def test_the_grid_of_a_country(code):
    grid = find_grid(code)
    assert grid.country == "FRA"
    assert 10 < grid.g_per_kwh < 150  # mostly nuclear
    assert "CodeCarbon" in grid.source


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("FRX", "'FRA'"),
        ("zzz", "Give the three-letter ISO code"),
        ("", "Give the three-letter ISO code"),
        ("France", "Did you mean 'FRA'"),
    ],
)
def test_an_unknown_country_says_what_to_give(code, remedy):
    with pytest.raises(UsageError) as caught:
        find_grid(code)
    assert f"no grid intensity is known for {code!r}" in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.skipif(processor_name() is None, reason="the kernel does not name the processor")
def test_it_is_told_the_name_of_the_processor_that_it_would_find():
    import cpuinfo
    from codecarbon.core.util import detect_cpu_model

    ask = cpuinfo.get_cpu_info
    CodeCarbonMeter().open()
    assert cpuinfo.get_cpu_info is ask
    found = detect_cpu_model()
    detect_cpu_model.cache_clear()
    assert found == detect_cpu_model()


def test_a_timer_that_fired_while_it_was_stopped_is_ended():
    """CodeCarbon's scheduler then starts the next one all the same, and so on for ever."""
    from codecarbon.external.scheduler import PeriodicScheduler

    before = threading.enumerate()
    scheduler = PeriodicScheduler(0.01, lambda: None)
    scheduler.start()
    scheduler.stop()
    scheduler.start(from_run=True)  # what the thread of the timer does that could not be stopped
    meter = CodeCarbonMeter()
    meter._tracker = SimpleNamespace(_scheduler_monitor_power=scheduler)
    meter.close()
    deadline = time.monotonic() + 60  # each timer starts the next before it ends: never none
    while threading.enumerate() != before:
        assert time.monotonic() < deadline, "the timers go on"
        time.sleep(0.01)
