"""Submissions damaged and tampered with at random, and whether one may still be accepted."""

import json
import random
import re
from dataclasses import dataclass

from support.submissions import Opened, zipped

JUNK = (
    None, True, -1, 0, 1, 7, 10**17, -(10**17), 10**30, 1e-9, 3.7, 1e300, "", "x", "a" * 5000,
    "2026-03-01T12:00:00Z", "gpu:GPU-1", "\u2028 \u0000", [], [0], [[[]]], {}, {"a": {}},
)  # fmt: skip

CLAIMS = re.compile(
    # What only whoever submits can know, and nothing in the submission could contradict.
    r"result\.request|result\.model\.(id|source|revision|architecture|parameters|dtype)"
    r"|result\.model\.quantization(_bits)?"
    r"|result\.workload\.(revision|fingerprint|seed)"
    r"|result\.workload\.inputs_cut\.(limit|official_limit|unit)"  # nothing is cut
    r"|result\.protocol\.(min_window_s|warmup_s|warmup_queries|target_half_width|shared)"
    r"|result\.environment\.selftest|result\.machine"
    r"|result\.idle\.(seconds|with_model_w\..*)|result\.emissions\.(country|source|reason)"
    r"|result\.(cautions|runs\.\d+\.notices)\.\d+\.message|result\.cautions"
    r"|result\.conformance\.\d+\.(required|actual)"
    r"|result\.runs\.\d+\.(second_source|thinking_tokens|answers_cut)"
    r"|result\.runs\.\d+\.phases\.\w+\.se_j\..*"
    r"|result\.runs\.\d+\.(phase_reasons)"
    r"|result\.runs\.\d+\.facts\..*\.(max_temperature_c|(min|median|max)_sm_clock_mhz"
    r"|max_power_w|max_processes|update_period_ms|counter_read_ms|clocks_event_reasons"
    r"|power_limit_w)"
    r"|result\.runs\.\d+\.phase_facts\..*"
    r"|result\.score\.(reason|net_reason|system_reason)|result\.score\.phases\.\w+\.reason"
    r"|raw\.\d+\.domains\.[^.]*\.(reason|ticks_reason|lone\b.*)"
    # One reading among hundreds moves no figure; nor does when the metering was ended.
    r"|raw\.\d+\.domains\.[^.]*\.(power|ticks)\.(t_us|mj|mw)\.\d+|raw\.\d+\.(begin|end)_us"
    r"|raw\.\d+\.phases\.(starts_us\.\d+|entered\.\d+|end_us)"
    r"|manifest\.energyscore"
)


@dataclass(frozen=True)
class Mutant:
    """A submission after a change.

    Attributes:
        data: its bytes.
        what: what was changed.
        may_pass: whether it may be accepted all the same.
    """

    data: bytes
    what: str
    may_pass: bool


def mutate(data: bytes, seed: int) -> Mutant:
    """One mutant of a submission: of its bytes, of its entries, or of what they say."""
    chance = random.Random(seed)
    kind = chance.choice((_bytes, _entries, _content, _content))
    return kind(data, chance)


def _bytes(data: bytes, chance: random.Random) -> Mutant:
    """Damage: flipped, lost, repeated or inserted bytes."""
    changed = bytearray(data)
    how = chance.choice(("flip", "cut", "drop", "repeat", "insert", "zero", "swap"))
    place, length = chance.randrange(len(data)), chance.choice((1, 2, 4, 30, 1000))
    if how == "flip":
        for _ in range(length):
            changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif how == "cut":
        del changed[place:]
    elif how == "drop":
        del changed[place : place + length]
    elif how == "repeat":
        changed[place:place] = data[place : place + length]
    elif how == "insert":
        changed[place:place] = chance.randbytes(length)
    elif how == "zero":
        changed[place : place + length] = bytes(len(changed[place : place + length]))
    else:
        other = chance.randrange(len(data))
        changed[place], changed[other] = changed[other], changed[place]
    return Mutant(bytes(changed), how, bytes(changed) == data)


def _entries(data: bytes, chance: random.Random) -> Mutant:
    """Entries changed, lost, renamed or exchanged, and the manifest left as it was."""
    files = Opened(data).files
    names = list(files)
    name, other = chance.choice(names), chance.choice(names)
    how = chance.choice(("change", "lose", "rename", "exchange", "empty", "more"))
    changed = dict(files)
    if how == "change":
        content = bytearray(files[name])
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        changed[name] = bytes(content)
    elif how == "lose":
        del changed[name]
    elif how == "rename":
        changed[f"{name}.old"] = changed.pop(name)
    elif how == "exchange":
        changed[name], changed[other] = files[other], files[name]
    elif how == "empty":
        changed[name] = b""
    else:
        changed[f"{chance.randrange(99)}/more.json"] = files[name]
    # Of the manifest a text may have changed that is a claim; then all else is as it was.
    same = changed == files or (how == "change" and name == "manifest.json")
    return Mutant(zipped(changed), f"{how} {name}", same and _harmless(files, changed))


def _harmless(files, changed) -> bool:
    try:
        before, after = (json.loads(one["manifest.json"]) for one in (files, changed))
    except ValueError:
        return False
    return {**before, "energyscore": ""} == {**after, "energyscore": ""}


def _content(data: bytes, chance: random.Random) -> Mutant:
    """One value changed in what the files say, and all hashes computed anew."""
    opened = Opened(data)
    root = chance.choice(("result",) * 4 + ("raw", "manifest"))
    place: object = {"result": opened.result, "raw": opened.raw, "manifest": opened.manifest}[root]
    path = [root]
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        path.append(str(key))
        if not isinstance(place[key], dict | list) or not place[key]:
            break
        place = place[key]
    before = place[key]
    after = _other(before, chance)
    place[key] = after
    try:
        changed = opened.closed()
    except (ValueError, KeyError, TypeError, AttributeError):  # it cannot even be written
        return Mutant(data, "none", may_pass=True)
    where = ".".join(path)
    hashes = re.fullmatch(r"manifest\.files\..*|result\.raw\.sha256", where)
    own_data = where == "result.workload.dataset" and not opened.result["workload"]["official"]
    may_pass = bool(CLAIMS.fullmatch(where) or hashes) or _same(before, after) or own_data
    return Mutant(changed, f"{where}: {before!r:.60} to {after!r:.60}", may_pass)


def _same(before: object, after: object) -> bool:
    return before == after  # 1 and true are one thing to a lenient reader


def _other(value: object, chance: random.Random) -> object:
    """Another value: the like of it more often than junk."""
    if chance.random() < 0.4:
        return chance.choice(JUNK)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice((-1, 1, 1000, -1000)) * max(1, abs(value) // 10)
    if isinstance(value, float):
        return value * chance.choice((0.5, 0.9, 1.1, 2.0, -1.0)) + chance.choice((0.0, 1.0))
    if isinstance(value, str):
        return value[:-1] + chance.choice("abc019") if value else "x"
    return chance.choice(JUNK)
