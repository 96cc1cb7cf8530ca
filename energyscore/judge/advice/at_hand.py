"""Which of the results at hand are put together, and why the others are left out. Pure."""

from collections.abc import Sequence

from energyscore.base.errors import UnsupportedError
from energyscore.judge.advice.states import by_state, state_of
from energyscore.judge.comparability import Conditions, candidate_conditions, conditions_of
from energyscore.judge.comparable import departures_between
from energyscore.judge.contenders import Contender, why_no_candidate
from energyscore.judge.rating import RatedResult
from energyscore.results.result import Result


def comparable(
    candidates: Sequence[Contender],
) -> tuple[list[Contender], list[tuple[RatedResult, str]]]:
    """The largest group of results that can be compared, and the others with what sets them apart.

    Groups of measured energies come before estimated ones; of as many models the newest counts.
    """
    left_out = [(one.entry, why) for one in candidates if (why := why_no_candidate(one.entry))]
    able = [one for one in candidates if not why_no_candidate(one.entry)]
    if not able:
        named = "; ".join(f"{entry.file}: {why}" for entry, why in left_out)
        raise UnsupportedError(f"There is nothing to advise on: {named}.")
    groups: dict[object, list[Contender]] = {}
    for one in able:
        conditions = _shared_conditions(one.entry.result, one.entry.conditions) or {}
        groups.setdefault(tuple(conditions.items()), []).append(one)

    def rank(group: list[Contender]) -> tuple[bool, int, int, str]:
        newest = max(one.entry.result.created_at for one in group)
        models = len({state_of(one).model for one in group})
        return not group[0].entry.rating.estimated, models, len(group), newest

    main = max(groups.values(), key=rank)
    by_rank = by_state(sorted(main, key=_rank))
    in_main = set(map(id, main))
    for one in able:
        if id(one) not in in_main:
            points = departures_between(one.entry.result, main[0].entry.result, _shared_conditions)
            left_out.append((one.entry, "; ".join(map(str, points))))
        elif (used := by_rank[state_of(one)]) is not one:
            left_out.append((one.entry, _why_other(one, used)))
    return list(by_rank.values()), left_out


def _rank(one: Contender) -> tuple[bool, bool, bool, str]:
    """Of several results of one state the last by this counts.

    That of the model itself before one of random weights, of all the work before a screen, in full
    before quick, and then the newest.
    """
    result = one.entry.result
    itself = result.model.weights != "random"
    return itself, result.screen is None, not result.protocol.quick, result.created_at


def _why_other(one: Contender, used: Contender) -> str:
    """Why another result of its state counts in its place."""
    ours, theirs = _rank(one), _rank(used)
    whats = "of the model's own weights", "of all the work", "that is not quick", "that is newer"
    what = next(what for what, was, now in zip(whats, ours, theirs, strict=True) if was != now)
    return f"a result {what} is at hand, of the same settings"


def in_least_batches(
    known: Sequence[Contender],
) -> tuple[list[Contender], list[tuple[Contender, str]]]:
    """Those of the smallest batches, and the others with the reason why they do not count.

    Requests that come one by one have not what larger batches save: the figure of one model at a
    large batch is not held against that of another one at a small one.
    """
    least = min(one.entry.result.workload.batch_size for one in known)
    kept, others = [], []
    for one in known:
        size = one.entry.result.workload.batch_size
        if size == least:
            kept.append(one)
        else:
            why = f"requests come one by one, and it was measured in batches of {size} alone"
            others.append((one, why))
    return kept, others


def _shared_conditions(result: Result, known: Conditions | None = None) -> Conditions | None:
    """What all candidates share: as `choose` has it, and the load of a server, which nobody picks.

    None for a result without an energy.
    """
    known = known or conditions_of(result)
    found = candidate_conditions(result, known)
    return None if found is None else found | {"load": known["load"]}
