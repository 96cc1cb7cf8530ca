"""What is asked of a finished measurement beside its figures: judged or derived, not measured.

`--strict` and the country are in no key: they change nothing that is measured. What they ask for
holds on resume all the same.
"""

from pathlib import Path

from energyscore.base.writing import write_atomically
from energyscore.measurement.suite.plan import Planned
from energyscore.protocol.grid import GridIntensity
from energyscore.results.result import Result, result_to_json
from energyscore.results.score import emissions_of
from energyscore.results.store import load_result


def is_enough(planned: Planned, result: Result) -> bool:
    """Whether a result of the entry's key finishes it.

    With --strict one of fewer queries than asked for does not: the entry's process will say so,
    before it measures anything.
    """
    options = planned.entry.options
    if not options.strict or planned.task is None:
        return True
    return result.workload.queries >= (options.queries or planned.task.spec.queries)


def give_country(planned: Planned, file: Path) -> None:
    """Give a finished entry's result the emissions that it asks for, in its file.

    Without a country it stays as it is.

    Raises:
        EnergyScoreError: when the country is not known, or the file cannot be replaced.
    """
    country = planned.entry.options.country
    if country is None:
        return
    result, grid = load_result(file), GridIntensity(country)
    emissions = emissions_of(result.score, grid.country, grid.g_per_kwh, grid.source)
    if emissions != result.emissions:
        changed = result.model_copy(update={"emissions": emissions})
        write_atomically(file, result_to_json(changed))
