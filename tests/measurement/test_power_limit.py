"""Power limits, set in processes of their own on a simulated driver, and put back."""

import json

import pytest
from support.commands import gpu, python

from energyscore.base.errors import UsageError
from energyscore.measurement.metering import check_power_limit

LIMITED = """
import json, os, signal, subprocess, sys
from energyscore.base.errors import EnergyScoreError
from energyscore.measurement.meters import nvml_device
from energyscore.measurement.meters.power_limit import check_limit, limited

said = []
session = nvml_device.NvmlSession()
uuids = session.uuids()
handles = [session.handle(uuid) for uuid in uuids]

def now(index=0):
    return nvml_device.read_set_limit_w(handles[index])

def failure(action, *arguments):
    try:
        action(*arguments)
    except EnergyScoreError as error:
        return [str(error), error.exit_code]

def limit(limit_w, while_limited=now, uuids=uuids):
    with limited(uuids, limit_w, said.append):
        return while_limited()

def elsewhere(limit_w, then="pass"):
    code = f'''
import os, sys
from energyscore.measurement.meters.power_limit import limited
with limited(sys.argv[1:], {limit_w}, print):
    {then}
'''
    run = [sys.executable, "-c", code, *uuids]
    return subprocess.run(run, capture_output=True, text=True).stderr
"""


@pytest.fixture
def limiting(tmp_path, simulate):
    """What code gives, the value of its last line, and the simulation of GPUs like these."""

    def run(code, *gpus):
        sim = simulate(*gpus)
        env = sim.env() | {"XDG_STATE_HOME": str(tmp_path)}
        *lines, last = code.strip().splitlines()
        done = python("\n".join([LIMITED, *lines, f"print(json.dumps({last}))"]), env)
        return json.loads(done.stdout), sim

    return run


def test_a_limit_is_in_force_for_as_long_as_it_is_asked_for(limiting, tmp_path):
    """And then the one that was found: after an error, and at the end of the process too."""
    code = """
seen = [now(), limit(150.0), now(), limit(150.0, lambda: now(1)), now(1)]
nvml_device.set_power_limit(handles[0], 420)
failure(limit, 200.0, lambda: check_limit([], 9000))
seen += [now()]
left = limited(uuids, 180.0, said.append)
left.__enter__()
[*seen, now(), said]
"""
    found, sim = limiting(code, gpu(), gpu("GPU-2-0000000000", power_limit_w=400.0))
    assert found == [700.0, 150.0, 700.0, 150.0, 400.0, 420.0, 180.0, []]
    assert [sim.power_limit_w(index) for index in (0, 1)] == [420.0, 400.0]
    assert [file.read_text() for file in tmp_path.rglob("power-limit-*")] == ["", ""]


DENIED = (
    f"that takes root (in a container also SYS_ADMIN). Set it with `sudo nvidia-smi -i "
    f"{gpu().uuid}-4 -pl 200`, and leave the option out."
)


def test_what_cannot_be_set_is_told_before_in_one_line(limiting):
    kinds = (
        {},
        {"mig": True},
        {"vgpu": True},
        {"set_limit": "unsupported"},
        {"set_limit": "denied"},
        {"set_limit": "ignored"},
    )
    code = """
each = [(uuid, 90 if uuid == uuids[0] else 200) for uuid in uuids]
ahead = [failure(check_limit, [uuid], limit_w) for uuid, limit_w in each]
then = [failure(limit, limit_w, now, [uuid]) for uuid, limit_w in each]
any_ = [failure(check_limit, [], 200), failure(check_limit, [], 9000)]
any_ += [failure(check_limit, ["4"], 9000), failure(check_limit, ["9"], 200)]
granted = limit(700, lambda: now(4), [uuids[4]])
[ahead, then, any_, granted, said, [now(index) for index in range(6)]]
"""
    gpus = [gpu(f"{gpu().uuid}-{index}", **kind) for index, kind in enumerate(kinds)]
    (ahead, then, any_, granted, said, now), _ = limiting(code, *gpus)
    expected = [
        (2, "--power-limit 90: GPU 0 takes 100 to 700 W."),
        (3, "--power-limit 200: GPU 1 is in MIG mode, and has no limit of its own."),
        (3, "--power-limit 200: GPU 2 is virtual, and has no limit of its own."),
        (3, "--power-limit 200: the power limit of GPU 3 cannot be set: Not Supported."),
        (3, f"--power-limit 200: the power limit of GPU 4 cannot be set, as {DENIED}"),
    ]
    assert [(status, message) for message, status in then[:5]] == expected
    assert ahead == [*then[:5], None], "what a driver does with a limit is known once it is set"
    assert "GPU 5 was told so, and its driver keeps to 700 W." in then[5][0]
    assert any_[:2] == [None, ["--power-limit 9000: GPU 0 takes 100 to 700 W.", 2]]
    assert any_[2] == ["--power-limit 9000: GPU 4 takes 100 to 700 W.", 2], "by its index"
    assert any_[3][0].startswith("--gpu 9: there are only 6 GPUs here")
    assert granted == 700.0, "what is set already takes no permission"
    assert (said, now) == ([], [700.0] * 6)


def test_no_gpu_has_no_limit():
    with pytest.raises(UsageError) as caught:
        check_power_limit("cpu", (), 150.0)
    assert str(caught.value) == (
        "--power-limit 150 is for GPUs, and none is metered here. Leave it out; `energyscore "
        "doctor` says why there is no GPU."
    )


def test_a_limit_that_cannot_be_put_back_is_told_with_the_command(limiting):
    code = """
refuse = lambda device, limit_w: nvml_device.pynvml.nvmlDeviceSetPowerManagementLimit(None, 1)
import energyscore.measurement.meters.power_limit as module
limit(200.0, lambda: setattr(module, "set_power_limit", refuse))
[now(), said]
"""
    (now_w, (said,)), _ = limiting(code, gpu())
    assert now_w == 200.0
    assert said == (
        "GPU 0: its power limit was not put back (Invalid Argument). "
        f"`sudo nvidia-smi -i {gpu().uuid} -pl 700` puts it back."
    )


def test_other_processes_do_not_limit_the_same_gpu_and_may_be_killed(limiting):
    """One that was mended by hand, and then set again on purpose, is told of no more."""
    code = """
from energyscore.measurement.metering import power_limited
seen = [limit(150.0, lambda: elsewhere(300)), now()]
elsewhere(300, "os.kill(os.getpid(), 9)")
for again_w in (None, 450.0, 300.0):
    if again_w:
        nvml_device.set_power_limit(handles[0], again_w)
    with power_limited(uuids, None, said.append):
        pass
[*seen, *said]
"""
    (refused, now_w, said), _ = limiting(code, gpu())
    assert "GPU 0: another measurement has set its power limit. Wait for it, or name" in refused
    assert now_w == 700.0
    assert said == (
        "GPU 0: a measurement that was killed left its power limit at 300 W; before it was 700 W. "
        f"`sudo nvidia-smi -i {gpu().uuid} -pl 700` puts it back."
    )
