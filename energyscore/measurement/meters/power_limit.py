"""A GPU's power limit: set for a measurement, and then put back to the one that was found.

It is put back however the measurement ends. Only a process that is killed cannot: the note that it
leaves (`limit_notes`) then tells the next one.
"""

import atexit
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from energyscore.base.errors import EnergyScoreError, MeterError, UnsupportedError, UsageError
from energyscore.measurement.meters.limit_notes import (
    LimitNote,
    clear_note,
    held,
    left_by_others,
    read_note,
)
from energyscore.measurement.meters.nvml_device import (
    NO_PERMISSION,
    GpuFacts,
    NvmlError,
    NvmlSession,
    power_limit_w,
    read_limit_range_w,
    read_set_limit_w,
    set_power_limit,
)

_SAME_W = 0.5
"""Limits that differ by less are one: drivers keep whole watts, some of them."""

_IN_FORCE_S, _LOOK_S = 1.0, 0.02
"""How long a driver may take until a new limit is in force, and the time between looks."""


@contextlib.contextmanager
def limited(uuids: Sequence[str], limit_w: float, warn: Callable[[str], None]) -> Iterator[None]:
    """Limit GPUs to so many watts, and put back what was found in the end.

    `warn` is told of a limit that cannot be put back, and of one that a killed process left.

    Raises:
        UsageError: for a limit that a GPU does not take.
        UnsupportedError: when it cannot be set here, or is not in force although it was set.
    """
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(contextlib.closing(NvmlSession()))
        for uuid in uuids:
            stack.enter_context(_one_limited(session, uuid, limit_w, warn))
        yield


def check_limit(named: Sequence[str], limit_w: float) -> None:
    """An error unless one of the GPUs at least takes the limit from this process.

    They are named by index or UUID; none: any that is here. Nothing changes: the limit that a GPU
    has is set once more, to see whether that is permitted.
    """
    errors: list[EnergyScoreError] = []
    with contextlib.closing(NvmlSession()) as session:
        for uuid in [session.resolve(name) for name in named] or session.uuids():
            try:
                _try_to_set(session, uuid, limit_w)
            except EnergyScoreError as error:
                errors.append(error)
            else:
                return
    if errors:
        raise errors[0]
    raise UnsupportedError(f"--power-limit {limit_w:g}: no GPU is listed here.")


def limits_left(session: NvmlSession, uuids: Sequence[str]) -> Iterator[tuple[str, LimitNote]]:
    """The GPUs, for people, whose limit a killed process left as it had set it, with its note."""
    for uuid in uuids:
        if (note := left_by_others(uuid)) is None:
            continue
        if _is(read_set_limit_w(session.handle(uuid)), note.set_w):
            yield f"GPU {session.facts(uuid).index}", note
        else:
            clear_note(uuid)  # somebody has set another one since


def in_words(label: str, note: LimitNote) -> str:
    """That a limit was left as it is."""
    return (
        f"{label}: a measurement that was killed left its power limit at {note.set_w:g} W; before "
        f"it was {note.found_w:g} W"
    )


@contextlib.contextmanager
def _one_limited(
    session: NvmlSession, uuid: str, limit_w: float, warn: Callable[[str], None]
) -> Iterator[None]:
    facts, device = session.facts(uuid), session.handle(uuid)
    label = f"GPU {facts.index}"
    with held(uuid, label):
        found_w = _check(facts, device, limit_w)
        left = read_note(uuid)
        if left and _is(found_w, left.set_w):
            warn(f"{in_words(label, left)}. That one is put back after this measurement.")
            found_w = left.found_w
        note = LimitNote(uuid, found_w, limit_w)
        note.write()

        def put_back() -> None:
            _put_back(note, label, warn)

        atexit.register(put_back)  # should a second Ctrl-C end what follows
        try:
            _set(device, label, uuid, limit_w)
            yield
        finally:
            put_back()
            atexit.unregister(put_back)


def _try_to_set(session: NvmlSession, uuid: str, limit_w: float) -> None:
    facts, device = session.facts(uuid), session.handle(uuid)
    label = f"GPU {facts.index}"
    with held(uuid, label):
        found_w = _check(facts, device, limit_w)
        if not _is(found_w, limit_w):
            _write(device, label, uuid, found_w, limit_w)


def _check(facts: GpuFacts, device: Any, limit_w: float) -> float:
    """The limit that is set now; an error where this GPU does not take that one."""
    label, asked = f"GPU {facts.index}", f"--power-limit {limit_w:g}"
    if facts.mig or facts.vgpu:
        what = "in MIG mode" if facts.mig else "virtual"
        raise UnsupportedError(f"{asked}: {label} is {what}, and has no limit of its own.")
    found_w, bounds_w = read_set_limit_w(device), read_limit_range_w(device)
    if found_w is None or bounds_w is None:
        raise UnsupportedError(f"{asked}: the driver of {label} tells of no power limit.")
    if not bounds_w[0] <= limit_w <= bounds_w[1]:
        raise UsageError(f"{asked}: {label} takes {bounds_w[0]:g} to {bounds_w[1]:g} W.")
    return found_w


def _set(device: Any, label: str, uuid: str, limit_w: float) -> None:
    """Set the limit where it is another, and see that it is in force."""
    if not _is(read_set_limit_w(device), limit_w):
        _write(device, label, uuid, limit_w, limit_w)
    deadline = time.monotonic() + _IN_FORCE_S
    while not _is(in_force_w := power_limit_w(device), limit_w):
        if time.monotonic() > deadline:
            now = "no limit that it tells" if in_force_w is None else f"{in_force_w:g} W"
            raise MeterError(
                f"--power-limit {limit_w:g}: {label} was told so, and its driver keeps to {now}.",
                "`nvidia-smi -q -d POWER` shows which limit is in force.",
            )
        time.sleep(_LOOK_S)


def _write(device: Any, label: str, uuid: str, limit_w: float, asked_w: float) -> None:
    try:
        set_power_limit(device, limit_w)
    except NvmlError as error:
        what = f"--power-limit {asked_w:g}: the power limit of {label} cannot be set"
        if error.value != NO_PERMISSION:
            raise MeterError(f"{what}: {error}.") from error
        raise UnsupportedError(
            f"{what}, as that takes root (in a container also SYS_ADMIN).",
            f"Set it with `sudo nvidia-smi -i {uuid} -pl {asked_w:g}`, and leave the option out.",
        ) from error


def _put_back(note: LimitNote, label: str, warn: Callable[[str], None]) -> None:
    """Put the limit back that was found, or say that it could not be done; the note then stays."""
    try:
        with contextlib.closing(NvmlSession()) as session:  # the other may be closed by now
            device = session.handle(note.uuid)
            if not _is(read_set_limit_w(device), note.found_w):
                set_power_limit(device, note.found_w)
    except (NvmlError, MeterError) as error:
        reason = str(error).rstrip(".")
        warn(f"{label}: its power limit was not put back ({reason}). {note.remedy}")
    else:
        clear_note(note.uuid)


def _is(one_w: float | None, other_w: float) -> bool:
    return one_w is not None and abs(one_w - other_w) < _SAME_W
