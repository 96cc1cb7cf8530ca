import pytest

from energyscore.base.errors import MeterError
from energyscore.measurement.meters import rapl
from energyscore.measurement.meters.rapl import RaplMeter, Zone, find_zones

WRAP_UJ = 262_143_328_850


def zone(root, folder, name, energy_uj=1_000_000, wrap_uj=WRAP_UJ):
    (root / folder).mkdir(parents=True)
    (root / folder / "name").write_text(f"{name}\n")
    (root / folder / "max_energy_range_uj").write_text(f"{wrap_uj}\n")
    set_energy(root, folder, energy_uj)


def set_energy(root, folder, energy_uj):
    (root / folder / "energy_uj").write_text(f"{energy_uj}\n")


@pytest.fixture
def tree(tmp_path):
    """The files of a server with one package, as the kernel lays them out."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "dram", 5_000_000)
    zone(tmp_path, "intel-rapl:0:1", "core")
    zone(tmp_path, "intel-rapl:1", "psys")
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def test_packages_and_memory_are_found_and_nothing_that_holds_them_again(tree):
    assert [(z.domain, z.file.parent.name) for z in find_zones(tree)] == [
        ("cpu", "intel-rapl:0"),
        ("dram", "intel-rapl:0:0"),
    ]


def joules(root, **changes):
    """What the meter says when counters change during a window."""
    meter = RaplMeter(root)
    meter.open()
    try:
        token = meter.start()
        for folder, energy_uj in changes.items():
            set_energy(root, folder, energy_uj)
        return meter.stop(token).readings
    finally:
        meter.close()


def test_energy_is_the_counters_difference(tree):
    changes = {"intel-rapl:0": 3_500_000, "intel-rapl:0:0": 5_250_000, "intel-rapl:1": 9**9}
    readings = joules(tree, **changes)
    assert {d: (r.energy_j, r.method) for d, r in readings.items()} == {
        "cpu": (2.5, "rapl"),
        "dram": (0.25, "rapl"),
    }


def test_two_packages_are_summed(tree):
    zone(tree, "intel-rapl:2", "package-1", 7_000_000)
    zone(tree, "intel-rapl:2:0", "dram", 0)
    changes = {"intel-rapl:0": 2_000_000, "intel-rapl:2": 7_500_000, "intel-rapl:2:0": 125_000}
    readings = joules(tree, **changes)
    assert (readings["cpu"].energy_j, readings["dram"].energy_j) == (1.5, 0.125)


def test_a_wrap_within_the_window_is_seen(tree):
    set_energy(tree, "intel-rapl:0", WRAP_UJ - 1_000_000)
    readings = joules(tree, **{"intel-rapl:0": 2_000_000})
    assert readings["cpu"].energy_j == pytest.approx(3.0, abs=1e-5)


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


def measure(root, folder, energies_uj, *, seconds=0.0):
    """The reading of `cpu` when a counter shows these values, each after so long a time."""
    clock = Clock()
    meter = RaplMeter(root, clock)
    meter.open()
    try:
        token = meter.start()
        for energy_uj in energies_uj:
            set_energy(root, folder, energy_uj)
            clock.now_s += seconds
        return meter.stop(token).readings["cpu"]
    finally:
        meter.close()


def limit(root, folder, watts, name="constraint_0_power_limit_uw"):
    (root / folder / name).write_text(f"{round(watts * 1e6)}\n")


@pytest.mark.parametrize(
    ("before_uj", "after_uj"),
    [
        (1_000_000, 0),  # the module was loaded anew: from zero again
        (1_000_000, 400_000),
        (1_000_000, 999_999),  # one step back
        (200_000_000_000, 5_000_000),
    ],
)
@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_a_counter_that_began_again_or_stepped_back_is_no_wrap(tree, before_uj, after_uj, seconds):
    set_energy(tree, "intel-rapl:0", before_uj)
    reading = measure(tree, "intel-rapl:0", [after_uj], seconds=seconds)
    assert (reading.energy_j, reading.method) == (None, None)
    assert "package-0 (intel-rapl:0) began again or stepped back" in reading.reason


@pytest.mark.parametrize(
    ("after_uj", "energy_j"),
    [(50_000_000, 500.0), (95_000_000, 545.0), (180_000_000, None), (0, 450.0)],
)
def test_a_counter_that_began_again_near_its_wrap_is_none(tree, after_uj, energy_j):
    """Five seconds at 100 W, of which the last wraps: with 230 W of its own it did not."""
    set_energy(tree, "intel-rapl:0", WRAP_UJ - 450_000_000 + 1)
    clock = Clock()
    meter = RaplMeter(tree, clock)
    meter.open()
    token = meter.start()
    for left_j in (350, 250, 150, 50):
        set_energy(tree, "intel-rapl:0", WRAP_UJ - left_j * 1_000_000 + 1)
        clock.now_s += 1.0
        with meter._lock:
            meter._update()
    set_energy(tree, "intel-rapl:0", after_uj)
    clock.now_s += 1.0
    reading = meter.stop(token).readings["cpu"]
    meter.close()
    assert reading.energy_j == (None if energy_j is None else pytest.approx(energy_j, abs=1e-3))
    assert energy_j is not None or "begun again near its end" in reading.reason


def test_of_a_counter_that_stepped_back_only_its_own_domain_is_lost(tree):
    readings = joules(tree, **{"intel-rapl:0": 999_999, "intel-rapl:0:0": 5_250_000})
    assert readings["cpu"].energy_j is None
    assert readings["dram"].energy_j == 0.25


def test_what_happened_before_a_window_is_none_of_its_concern(tree):
    meter = RaplMeter(tree)
    meter.open()
    first = meter.start()
    set_energy(tree, "intel-rapl:0", 0)
    assert meter.stop(first).readings["cpu"].energy_j is None
    set_energy(tree, "intel-rapl:0", 10)
    meter.stop(meter.start())
    set_energy(tree, "intel-rapl:0", 0)
    second = meter.start()
    set_energy(tree, "intel-rapl:0", 1_500_000)
    assert meter.stop(second).readings["cpu"].energy_j == 1.5
    meter.close()


def test_a_wrap_after_a_long_sleep_is_one(tree):
    """An hour at 50 W between two reads: 180 kJ, of which the last 60 lie behind the wrap."""
    set_energy(tree, "intel-rapl:0", WRAP_UJ - 120_000_000_000)
    reading = measure(tree, "intel-rapl:0", [60_000_000_000 - 1], seconds=3600.0)
    assert reading.energy_j == pytest.approx(180_000.0)


@pytest.mark.parametrize(
    ("limits", "joules_of_10_s", "believed"),
    [
        ({}, 19_000.0, True),  # 2 kW where no limit is stated
        ({}, 21_000.0, False),
        ({"constraint_0_power_limit_uw": 250.0}, 4_900.0, True),  # twice the limit
        ({"constraint_0_power_limit_uw": 250.0}, 5_200.0, False),
        ({"constraint_0_power_limit_uw": 250.0, "constraint_1_max_power_uw": 400.0}, 7_900.0, True),
        ({"constraint_0_power_limit_uw": 15.0}, 1_900.0, True),  # set low: 200 W at least
        ({"constraint_0_power_limit_uw": 15.0}, 2_100.0, False),
        ({"constraint_0_max_power_uw": 0.0}, 19_000.0, True),  # zero states nothing
        ({"constraint_0_max_power_uw": 262_143.0}, 21_000.0, False),  # nor does what cannot be
    ],
)
def test_the_bound_is_what_the_package_can_draw(tree, limits, joules_of_10_s, believed):
    for name, watts in limits.items():
        limit(tree, "intel-rapl:0", watts, name)
    after_uj = 1_000_000 + round(joules_of_10_s * 1e6)
    reading = measure(tree, "intel-rapl:0", [after_uj], seconds=10.0)
    assert reading.energy_j == (pytest.approx(joules_of_10_s) if believed else None)


def test_a_limit_that_may_not_be_read_states_nothing(tree):
    (tree / "intel-rapl:0" / "constraint_0_max_power_uw").mkdir()
    assert find_zones(tree)[0].most_w == rapl.MOST_W


def test_several_wraps_in_a_long_window_are_seen(tree, monkeypatch):
    monkeypatch.setattr(rapl, "_POLL_S", 0.001)
    monkeypatch.setattr(rapl, "MOST_W", 1e15)  # no time passes in this test
    meter = RaplMeter(tree)
    meter.open()
    token = meter.start()
    for tenths in (9, 1, 9, 1):
        energy_uj = WRAP_UJ * tenths // 10
        temporary = tree / "new"
        temporary.write_text(str(energy_uj))
        temporary.replace(tree / "intel-rapl:0" / "energy_uj")
        while meter._last_uj[0] != energy_uj:  # until the watching thread has read it
            assert meter._thread.is_alive()
    reading = meter.stop(token).readings["cpu"]
    meter.close()
    expected_uj = (0.9 + 0.2 + 0.8 + 0.2) * WRAP_UJ - 1_000_000
    assert reading.energy_j == pytest.approx(expected_uj / 1e6, rel=1e-6)


def test_windows_do_not_know_of_each_other(tree):
    meter = RaplMeter(tree)
    meter.open()
    first = meter.start()
    set_energy(tree, "intel-rapl:0", 2_000_000)
    assert meter.stop(first).readings["cpu"].energy_j == 1.0
    set_energy(tree, "intel-rapl:0", 50_000_000)
    second = meter.start()
    set_energy(tree, "intel-rapl:0", 50_500_000)
    assert meter.stop(second).readings["cpu"].energy_j == 0.5
    meter.close()
    meter.close()


def test_a_counter_that_does_not_move_gives_nothing_but_a_reason(tree):
    readings = joules(tree, **{"intel-rapl:0": 3_500_000})
    assert readings["cpu"].energy_j == 2.5
    assert (readings["dram"].energy_j, readings["dram"].method) == (None, None)
    assert readings["dram"].reason == "the RAPL counter did not move"


@pytest.mark.parametrize("content", ["", "nonsense\n"])
def test_a_counter_that_breaks_during_the_window_gives_nothing_but_a_reason(tree, content):
    meter = RaplMeter(tree)
    meter.open()
    token = meter.start()
    (tree / "intel-rapl:0" / "energy_uj").write_text(content)
    measurement = meter.stop(token)
    meter.close()
    for domain in ("cpu", "dram"):
        assert measurement.readings[domain].energy_j is None
        assert "could not be read" in measurement.readings[domain].reason


def test_a_counter_that_is_gone_at_the_start_gives_nothing_but_a_reason(tree):
    meter = RaplMeter(tree)
    meter.open()
    (tree / "intel-rapl:0" / "energy_uj").unlink()
    broken = meter.stop(meter.start()).readings["cpu"]
    assert broken.energy_j is None
    assert "No such file" in broken.reason
    set_energy(tree, "intel-rapl:0", 1_000_000)
    token = meter.start()
    set_energy(tree, "intel-rapl:0", 2_000_000)
    assert meter.stop(token).readings["cpu"].energy_j == 1.0
    meter.close()


def test_counters_that_may_not_be_read_say_how_to_allow_it(tree, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self.file))

    monkeypatch.setattr(Zone, "read_uj", refuse)
    with pytest.raises(MeterError) as caught:
        RaplMeter(tree).open()
    assert str(tree / "intel-rapl:0" / "energy_uj") in caught.value.message
    assert "sudo chmod -R a+r /sys/class/powercap/intel-rapl*" in caught.value.remedy


def test_without_counters_the_meter_does_not_open(tmp_path):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(MeterError, match="no RAPL counters"):
            RaplMeter(root).open()


def test_memory_alone_is_not_enough(tmp_path):
    zone(tmp_path, "intel-rapl:0:0", "dram")
    with pytest.raises(MeterError, match="no RAPL counters"):
        RaplMeter(tmp_path).open()


@pytest.mark.parametrize("file", ["name", "max_energy_range_uj", "energy_uj"])
def test_a_tree_with_a_file_missing_does_not_answer(tree, file):
    (tree / "intel-rapl:0" / file).unlink()
    with pytest.raises(MeterError, match="does not answer"):
        RaplMeter(tree).open()


def test_a_meter_that_was_never_opened_can_be_closed(tmp_path):
    RaplMeter(tmp_path).close()
