"""Whether this GPU's counter truly integrates: a square-wave load at several periods and duties."""

import time

import numpy as np
import pytest

pytestmark = pytest.mark.gpu

WINDOW_S = 12.0
WAVES = [
    (period_s, duty) for period_s in (0.02, 0.05, 0.1, 0.25, 1.0) for duty in (0.25, 0.5, 0.75)
]


class SquareWave:
    """Matrix products while on, nothing while off; the GPU is waited for at each edge."""

    def __init__(self):
        import torch

        self._torch = torch
        self._matrix = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
        self._into = torch.empty_like(self._matrix)
        self._work(200)
        begin = time.monotonic()
        self._work(200)
        self._product_s = (time.monotonic() - begin) / 200

    def _work(self, products):
        for _ in range(products):
            self._torch.mm(self._matrix, self._matrix, out=self._into)
        self._torch.cuda.synchronize()

    def run(self, period_s, duty, seconds):
        """Seconds on and seconds off in that time."""
        on_s = off_s = 0.0
        products = max(1, round(period_s * duty / self._product_s))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.monotonic()
            self._work(products)
            middle = time.monotonic()
            time.sleep(max(0.0, period_s - (middle - begin)))
            on_s, off_s = on_s + middle - begin, off_s + time.monotonic() - middle
        return on_s, off_s


@pytest.fixture(scope="module")
def measured():
    """For each wave: seconds on, seconds off, joules by the counter and by integrated power."""
    from energyscore.measurement.backends.devices import device_uuid
    from energyscore.measurement.meters.nvml import NvmlMeter

    uuid = device_uuid(0)
    wave = SquareWave()
    meter = NvmlMeter([uuid])
    meter.open()
    wave.run(1.0, 0.75, 10.0)  # warm
    rows = []
    for period_s, duty in WAVES:
        token = meter.start()
        on_s, off_s = wave.run(period_s, duty, WINDOW_S)
        reading = meter.stop(token).readings[f"gpu:{uuid}"]
        rows.append((period_s, duty, on_s, off_s, reading))
        print(
            f"period {period_s * 1e3:6.0f} ms, duty {duty:.0%}: on {on_s:.2f} s, off {off_s:.2f} s,"
            f" {reading.method} {reading.energy_j:.1f} J, "
            f"integrated power {reading.facts['power_integral_j']:.1f} J, "
            f"updated every {reading.facts['update_period_ms']} ms"
        )
    meter.close()
    return rows


def test_the_counter_is_there_for_every_wave(measured):
    assert [reading.method for *_, reading in measured] == ["counter"] * len(WAVES)


def test_the_counter_integrates_whatever_the_period(measured):
    """Energy is on_s x P_on + off_s x P_off, with the same two powers for all periods of a duty.

    A counter that samples would see more or less of short pulses, by chance of their phase. After
    a pulse power falls off gradually, so very short pauses draw more than long ones: 10%.
    """
    times = np.array([(on_s, off_s) for _, _, on_s, off_s, _ in measured])
    joules = np.array([reading.energy_j for *_, reading in measured])
    powers, *_ = np.linalg.lstsq(times, joules, rcond=None)
    errors = times @ powers / joules - 1
    print(f"on {powers[0]:.0f} W, off {powers[1]:.0f} W, errors {np.round(100 * errors, 1)} %")
    assert powers[0] > powers[1] > 0
    assert np.abs(errors).max() < 0.10


def test_counter_and_integrated_power_over_all_waves(measured):
    ours = sum(reading.energy_j for *_, reading in measured)
    power = sum(reading.facts["power_integral_j"] for *_, reading in measured)
    print(f"integrated power / counter: {power / ours:.4f}")
    assert power == pytest.approx(ours, rel=0.10)
