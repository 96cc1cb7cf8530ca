"""`energyscore selftest`: how far measurements made on this machine can be trusted."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from energyscore.base.units import counted
from energyscore.cli.options import RESULTS, Format, Out

if TYPE_CHECKING:
    from energyscore.measurement.selftest.gpu import GpusUnderTest
    from energyscore.measurement.selftest.report import SelfTest, SelfTestCheck

QUICK_TIME = "about 8 s, and 14 s more for each GPU"


def selftest(
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UUID|INDEX",
            help="Test this GPU (NVML's index or UUID) instead of all. Repeatable.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help=f"Shorter windows ({QUICK_TIME}): every figure is less certain."
        ),
    ] = False,
    out: Out = RESULTS,
    form: Format = "table",
) -> None:
    """Test how far measurements made on this machine can be trusted.

    It takes about 38 s, and 100 s more for each GPU. It meters idle power and a fixed load on each
    GPU and on the processor: how well they repeat, whether the energy counter agrees with
    integrated power, what metering costs, how steady the clocks are. It writes selftest.json into
    the folder for results; results of this machine cite it.

    Examples:
      energyscore selftest

      energyscore selftest --quick --gpu 0

      energyscore selftest --format json > selftest.json
    """
    # CUDA orders GPUs by speed unless told otherwise; NVML orders them by PCI bus.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    from energyscore.base.lookup import resolve
    from energyscore.cli.console import message_console, say, say_note
    from energyscore.measurement import catalog
    from energyscore.measurement.imports import uncollected
    from energyscore.measurement.selftest.plan import QUICK, SelfTestPlan
    from energyscore.measurement.selftest.report import check_place, save_selftest, selftest_to_json
    from energyscore.measurement.selftest.runner import run_selftest

    check_place(out, say_note)
    gpus, no_gpu = _find_gpus(tuple(gpu or ()))
    plan = QUICK if quick else SelfTestPlan()
    count = len(gpus.facts) if gpus else 0
    say(
        f"Self-test of {counted(count, 'GPU') if count else 'no GPUs'} and the processor, at most "
        f"about {_about(plan.seconds(count))}. Leave the machine alone meanwhile."
    )
    with uncollected():
        loads = resolve(catalog.LOADS, "matmul")
    report = run_selftest(plan, gpus, no_gpu, loads(), say)
    path = save_selftest(out, report)
    if form == "json":
        print(selftest_to_json(report), end="")
    else:
        _show(report)
    say(f"Self-test {report.id[:12]}: {path}.")
    if report.invalidating:
        names = ", ".join(dict.fromkeys(check.name for check in report.invalidating))
        message_console().print(f"[bold red]Measurements made here would be invalid:[/] {names}.")
        raise typer.Exit(3)


def _find_gpus(names: tuple[str, ...]) -> "tuple[GpusUnderTest | None, str]":
    """The GPUs to test, or why there are none; those that were named must be there."""
    from energyscore.base.errors import MeterError
    from energyscore.measurement.selftest.gpu import find_gpus

    try:
        return find_gpus(names), ""
    except MeterError as error:
        if names:
            raise
        return None, str(error)


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _show(report: "SelfTest") -> None:
    """The checks as a table; checks of one thing that fail for one reason share a line."""
    from energyscore.cli.console import show_table

    lines: dict[tuple[str, str, str], tuple[list[str], str]] = {}
    for place, check in enumerate(report.checks):
        status = "invalid" if check.invalidates else check.status
        same = check.message if check.status == "cannot" else str(place)
        names, _ = lines.setdefault((status, check.subject, same), ([], _message(check)))
        names.append(check.name.replace("_", " "))
    several = len(report.environment.gpus) > 1
    rows = [
        (status, _subject(subject, several=several), ", ".join(names), message)
        for (status, subject, _), (names, message) in lines.items()
    ]
    show_table("", ("", "", "tested", "found"), rows)


def _message(check: "SelfTestCheck") -> str:
    judged = check.limit and check.status != "ok"
    return f"{check.message}. Limit: {check.limit}" if judged else check.message


def _subject(subject: str, *, several: bool) -> str:
    kind, _, uuid = subject.partition(":")
    if kind != "gpu":
        return {"cpu": "processor"}.get(subject, subject)
    return f"GPU {uuid.removeprefix('GPU-')[:8]}" if several else "GPU"
