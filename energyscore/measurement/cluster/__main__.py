"""One element of an array job: `python -m energyscore.measurement.cluster ORDERS NUMBER`.

What came of it is one file in the folder `attempts` beside the orders. Exit status: 0 measured, 3
failed or invalid, 130 and the like where it was asked to end: its finished runs are kept.
"""

import os
import signal
import sys
from pathlib import Path

from energyscore.base.errors import EnergyScoreError, ResultError, UsageError
from energyscore.base.interrupts import end_on, heed_ctrl_c, heed_signals, interrupted_status
from energyscore.measurement.cluster import gather, sbatch
from energyscore.measurement.cluster.order import Order, read_order
from energyscore.measurement.cluster.worker import attempt
from energyscore.measurement.observer import print_line


def main(arguments: list[str]) -> int:
    """Measure the order, and give the exit status."""
    heed_ctrl_c()
    heed_signals()
    end_on(signal.SIGUSR2)  # Slurm's warning before its time limit
    try:
        if len(arguments) != 2 or not arguments[1].isdecimal():
            raise UsageError("It takes a file of orders and a number, from 0 on.")
        file, number = Path(arguments[0]).absolute(), int(arguments[1])
        return measure(read_order(file, number), file.parent / sbatch.ATTEMPTS)
    except EnergyScoreError as error:
        print_line(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        print_line("error: interrupted.")
        return interrupted_status()


def measure(order: Order, folder: Path) -> int:
    """Measure an order into a folder of attempts, unless it is measured there already."""
    earlier = gather.kept(folder, order.key, _skip)
    done = [one.attempt for one in earlier if one.attempt.status == "done"]
    if any(_counts(one.began_at, order) for one in done):
        print_line(f"{order.label}, {order.task}: measured before.")
        return 0
    node = os.environ.get("SLURMD_NODENAME")
    delivery = attempt(order, print_line, gather.open_journals(earlier), node=node)
    gather.keep(folder, delivery)
    told = delivery.attempt
    print_line(f"{order.label}, {order.task}: {told.status}{told.reason and ': ' + told.reason}")
    if told.status == "interrupted":
        return interrupted_status()
    return 0 if told.status == "done" else 3


def _counts(began_at: str, order: Order) -> bool:
    """Whether what was measured then is what was asked for now."""
    return not order.job.fresh or began_at >= order.asked_at


def _skip(error: ResultError) -> None:
    print_line(f"caution: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
