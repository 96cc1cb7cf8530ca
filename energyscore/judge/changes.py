"""What is no condition of comparing, but may explain a difference: versions and revisions. Pure."""

from typing import TypeAlias

from energyscore.judge.comparability import threads_of
from energyscore.results.result import Result

Changes: TypeAlias = dict[str, tuple[str | None, str | None]]
"""What may explain a change: what it was before and is after; None where it is not known."""


def changes(before: Result, after: Result) -> Changes:
    """What is not a condition, but may explain a difference: versions and revision."""
    one, other = _context_of(before), _context_of(after)
    changed = {name for name, _ in one.items() ^ other.items()}
    return {name: (one.get(name), other.get(name)) for name in sorted(changed)}


def say_changes(found: Changes) -> str:
    """Changes for people: `also changed: driver 550 -> 570`."""
    listed = (f"{name} {was or 'none'} -> {now or 'none'}" for name, (was, now) in found.items())
    return f"also changed: {', '.join(listed)}"


def _context_of(result: Result) -> dict[str, str]:
    machine = result.environment
    found = {
        "model revision": result.model.revision,
        "energyscore": machine.energyscore,
        "driver": machine.driver,
        "CUDA": machine.cuda,
        "Python": machine.python,
        "OS": machine.os,
        "processor": machine.cpu,
        "threads on the processor": threads_of(result),
        "protocol": "screened" if result.screen else "all queries",
        **machine.packages,
    }
    return {name: value for name, value in found.items() if value is not None}
