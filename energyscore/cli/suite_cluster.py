"""How the command line runs a suite on a cluster: orders go out, what comes is gathered."""

import functools
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energyscore.base.errors import UsageError
from energyscore.base.writing import check_folder, write_atomically
from energyscore.cli.console import Talk, say, say_note, say_skipped, show_json
from energyscore.cli.options import TableOrJson
from energyscore.cli.suite_run import begin, conclude
from energyscore.cli.suite_view import ClusterProgress, show_nodes
from energyscore.measurement.child import python
from energyscore.measurement.cluster import sbatch
from energyscore.measurement.cluster.driver import Driver
from energyscore.measurement.cluster.engine import Engine
from energyscore.measurement.cluster.gather import gather_suite
from energyscore.measurement.cluster.order import MakeOrder, make_order, to_lines
from energyscore.measurement.cluster.ray_engine import RayEngine
from energyscore.measurement.cluster.ray_join import address_of
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.suite.report import SuiteReport
from energyscore.protocol import hub
from energyscore.publish.results_folder import ResultsFolder
from energyscore.results.store import KnownResults


@dataclass(frozen=True)
class ClusterAsked:
    """What is to be measured on a cluster and how, as the command line was asked."""

    plan: Sequence[Planned]
    source: str  # the list's file
    out: Path
    form: TableOrJson
    talk: Talk
    on: str = "local"
    slurm: dict[str, str] = field(default_factory=dict)
    cpus: int = 1
    retries: int = 2
    stop: bool = False
    gpu_type: str | None = None
    share_nodes: bool = False
    task_path: Path | None = None
    timeout_s: float | None = None
    fresh: bool = False
    pip: Sequence[str] = ()


def write_sbatch(asked: ClusterAsked, folder: Path) -> int:
    """Gather what is there, and write array jobs for what is missing; gives the exit status."""
    known, plan = begin(asked.plan, asked.out, fresh=asked.fresh)
    folder = folder.absolute()
    for part in (folder, folder / sbatch.ATTEMPTS, folder / sbatch.LOGS):
        part.mkdir(parents=True, exist_ok=True)
    report = _gather(plan, asked.source, folder, known)
    order = _order_maker(asked)
    missing = [
        planned
        for planned, record in zip(plan, report.entries, strict=True)
        if planned.key and (asked.fresh or record.status not in ("done", "skipped"))
    ]
    orders = sorted(map(order, missing), key=lambda one: one.gpus)
    text = to_lines(orders)
    # An array that still waits reads the orders that it was written for.
    orders_file = folder / f"orders-{hashlib.sha256(text.encode()).hexdigest()[:8]}.jsonl"
    scripts = sbatch.make_scripts(
        orders, str(orders_file), f"{folder}/{sbatch.LOGS}", python(), asked.slurm,
        gpu_type=asked.gpu_type, shared_node=asked.share_nodes,
    )  # fmt: skip
    for old in folder.glob("job-*.sh"):
        old.unlink()
    if orders:
        write_atomically(orders_file, text)
    for script in scripts:
        write_atomically(folder / script.name, script.text)
    commands = [f"sbatch {shlex.quote(str(folder / script.name))}" for script in scripts]
    if not asked.talk.quiet:
        done = len(plan) - len(orders)
        say(f"{len(orders)} of {len(plan)} entries are to be measured, {done} are not.")
        if orders:
            gather = f"--gather {shlex.quote(str(folder))}"
            say(f"Submit these jobs; then the same command with {gather} for --write-sbatch:")
    if asked.form == "json":
        show_json({"entries": len(plan), "to_measure": len(orders), "commands": commands})
    else:
        print(*commands, sep="\n", end="\n" if commands else "")
    return 0


def _order_maker(asked: ClusterAsked) -> MakeOrder:
    return functools.partial(
        make_order,
        online=hub.is_reachable(),
        task_path=asked.task_path,
        timeout_s=asked.timeout_s,
        fresh=asked.fresh,
        shared_node=asked.share_nodes,
        verbose=asked.talk.verbose,
    )


_WAYS = ("--on slurm", "--write-sbatch", "--gather")
_BELONGS = {
    "--retries": ("--on ray", "--on slurm"),
    "--cpus": ("--on ray",),
    "--pip": ("--on ray",),
    "--slurm": _WAYS,
    "--gpu-type": ("--on ray", *_WAYS),
    "--share-nodes": ("--on ray", *_WAYS),
    "--stop-on-failure": ("--on ray", "--on slurm", "this machine"),
    "--fresh": ("--on ray", "--on slurm", "--write-sbatch", "this machine"),
}


def check_place(
    on: str, write_sbatch: Path | None, gather: Path | None, given: Mapping[str, Any]
) -> None:
    """A UsageError for a place where nothing can be measured, and for options it would not heed.

    `given` has options by their names; those that were not given are None, False or empty.
    """
    if on.startswith("ray"):
        address_of(on)
    elif on not in ("local", "slurm"):
        raise UsageError(f"--on {on}: it is local, slurm, ray or ray://HOST:PORT.")
    ways = [f"--on {on.partition(':')[0]}"] if on != "local" else []
    ways += ["--write-sbatch"] if write_sbatch else []
    ways += ["--gather"] if gather else []
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} exclude each other.", "Give one of them.")
    way = ways[0] if ways else "this machine"
    for name, places in _BELONGS.items():
        is_given = given[name] is not None and given[name] is not False
        if is_given and way not in places:
            where = " or ".join(place for place in places if place != "this machine")
            raise UsageError(
                f"{name} goes with {where}.", "Give that, too, or leave it out." if not ways else ""
            )


def measure_on(asked: ClusterAsked) -> int:
    """Measure a plan on a cluster, show what became of it, and give the exit status."""
    engine = _engine(asked.plan, asked)  # first: where there is no cluster nothing is left behind
    known, plan = begin(asked.plan, asked.out, fresh=asked.fresh)
    with ClusterProgress(len(plan), asked.talk) as progress:
        report = Driver(
            plan, asked.source, known, _order_maker(asked), engine, progress, say_skipped,
            ResultsFolder(known).write_csv, fresh=asked.fresh, stop_on_failure=asked.stop,
            retries=asked.retries,
        ).run()  # fmt: skip
    return conclude(report, plan, known, asked.form, asked.talk, fresh=asked.fresh)


def _engine(plan: Sequence[Planned], asked: ClusterAsked) -> Engine:
    keys = [planned.key for planned in plan if planned.key]
    if asked.on == "slurm":
        from energyscore.measurement.cluster.slurm import SlurmEngine

        folder = asked.out.absolute() / ".slurm"
        return SlurmEngine(
            folder, asked.slurm, keys=keys, gpu_type=asked.gpu_type, shared_node=asked.share_nodes
        )
    return RayEngine(
        address_of(asked.on),
        keys=keys,
        show=show_nodes,
        cpus=asked.cpus,
        gpu_type=asked.gpu_type,
        shared_node=asked.share_nodes,
        pip=asked.pip,
    )


def gather_from(asked: ClusterAsked, folder: Path) -> int:
    """Gather what an array job measured, tell what is missing, and give the exit status."""
    if not (folder / sbatch.ATTEMPTS).is_dir():
        raise UsageError(
            f"--gather {folder}: there are no attempts in it.",
            "Name the folder that --write-sbatch was given.",
        )
    plan = asked.plan
    check_folder(asked.out, say_note)
    known = KnownResults(asked.out, say_skipped)
    report = _gather(plan, asked.source, folder, known)
    status = conclude(report, plan, known, asked.form, asked.talk)
    missing = sum(record.status == "pending" for record in report.entries)
    if missing:
        say_note(f"{missing} of {len(plan)} entries have no result yet.")
    return status or (3 if missing else 0)


def _gather(plan: Sequence[Planned], source: str, folder: Path, known: KnownResults) -> SuiteReport:
    return gather_suite(
        plan, source, [folder / sbatch.ATTEMPTS], known, say_skipped,
        ResultsFolder(known).write_csv,
    )  # fmt: skip
