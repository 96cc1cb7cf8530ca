"""`energyscore run`: measure models, rate them, export the results."""

import os
from typing import Annotated, Any, Literal

import typer

from energyscore.cli.options import (
    RESULTS,
    Country,
    Format,
    Out,
    PricePerKwh,
    Pue,
    Quiet,
    TaskPath,
    Verbose,
    Yes,
    complete_task,
    measuring,
    site_of,
    talk_of,
)
from energyscore.cli.run_options import (
    AskLoading,
    AskQuality,
    Attention,
    BaseModel,
    BaseRelation,
    Budget,
    By,
    ClipModel,
    Compile,
    Dtype,
    IdleTime,
    LabelsFile,
    MaxNewTokens,
    OfficialProtocol,
    PowerLimit,
    Quantization,
    Reasoning,
    Screen,
    Spread,
    Until,
    options_of,
    parse_repeats,
    when_loading,
)
from energyscore.cli.server_options import (
    ApiKeyEnv,
    Concurrency,
    Launch,
    MaxOutstanding,
    RequestRate,
    ServerUrl,
    Tokenizer,
    server_of,
)
from energyscore.protocol.quick import QUICK

DEMO_QUERIES, DEMO_REPEATS = 3, 3
DEMO = (
    "No task and no model named: a demonstration of text_generation with few queries. Name a task "
    "for its whole protocol, or add --quick to it."
)


def run(
    context: typer.Context,
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASK",
            help="Tasks by name (see `energyscore tasks`).",
            autocompletion=complete_task,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        measuring(
            metavar="ID|DIR|builtin:NAME",
            help="A model: its hub id, a local folder, or a bundled architecture. Repeatable. "
            "Default: the task's bundled models.",
        ),
    ] = None,
    random_weights: Annotated[
        bool,
        when_loading(
            "--random-weights",
            help="Take the model's configuration only, with random weights: nothing large is "
            "downloaded, and the energy is that of the architecture.",
        ),
    ] = False,
    revision: Annotated[
        str | None, when_loading(help="Branch, tag or commit of the model on the hub.")
    ] = None,
    device: Annotated[
        Literal["auto", "cuda", "cpu"], measuring(help="Where the model works.", show_default=True)
    ] = "auto",
    gpu: Annotated[
        list[str] | None,
        measuring(
            metavar="UUID|INDEX",
            help="Meter this GPU (NVML's index or UUID) instead of those that the model "
            "occupies. Repeatable.",
        ),
    ] = None,
    spread: Spread = None,
    threads: Annotated[
        int | None,
        measuring(
            metavar="N",
            min=1,
            max=4096,
            help="Threads of torch on the processor. Default: torch's, by OMP_NUM_THREADS and the "
            "processor's cores. On the processor only equal ones are comparable.",
        ),
    ] = None,
    power_limit: PowerLimit = None,
    dtype: Dtype = "auto",
    quantization: Quantization = None,
    attention: Attention = None,
    compile: Compile = False,
    by: By = None,
    batch_size: Annotated[
        int | None, measuring(min=1, help="Queries at once. Default: the task's.")
    ] = None,
    queries: Annotated[
        int | None, measuring(min=1, help="Queries of one pass. Default: the task's.")
    ] = None,
    protocol: OfficialProtocol = "v1",
    reasoning: Reasoning = None,
    max_new_tokens: MaxNewTokens = None,
    repeats: Annotated[
        Any,
        measuring(
            parser=parse_repeats,
            metavar="N|auto",
            help="Runs to measure; auto: at least 5 and at most 30, until the interval is as "
            "narrow as --half-width says. Default: the task's, 1 with --quick.",
        ),
    ] = None,
    half_width: Annotated[
        float | None,
        measuring(
            metavar="PERCENT",
            min=0.01,
            max=50,
            help="With --repeats auto: half the width of the score's 95% interval, in percent of "
            "the score. Default: 1.",
        ),
    ] = None,
    idle: IdleTime = None,
    dataset: Annotated[
        str | None,
        measuring(
            metavar="FILE|DIR|HUB_ID|bundled|official",
            help="The queries: a file (csv, json, jsonl, parquet) or folder with the task's "
            "columns, a hub dataset, the task's official one, or the bundled sample. Default: "
            "official for hub models where the hub can be reached, else bundled.",
        ),
    ] = None,
    dataset_config: Annotated[
        str | None,
        measuring(metavar="NAME", help="The configuration of the dataset, where it has several."),
    ] = None,
    split: Annotated[
        str | None, measuring(metavar="NAME", help="The dataset's split. Default: the task's.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        measuring(
            metavar="FIELD=COLUMN",
            help="The dataset's column for a field of the task, such as text=prompt. Repeatable.",
        ),
    ] = None,
    task_path: TaskPath = None,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
    server: ServerUrl = None,
    launch: Launch = None,
    concurrency: Concurrency = None,
    request_rate: RequestRate = None,
    max_outstanding: MaxOutstanding = None,
    api_key_env: ApiKeyEnv = None,
    tokenizer: Tokenizer = None,
    screen: Screen = False,
    until: Until = None,
    budget: Budget = None,
    quick: Annotated[
        bool,
        measuring(
            "--quick",
            help=f"{QUICK[0].upper()}{QUICK[1:]}.",
        ),
    ] = False,
    strict: Annotated[
        bool,
        measuring(
            "--strict",
            help="Refuse a dataset with fewer queries than asked for, or with empty rows, instead "
            "of a caution.",
        ),
    ] = False,
    official: Annotated[
        bool,
        measuring(
            "--official",
            help="Measure only if every point of the official protocol holds that can be checked "
            "before; else say which do not.",
        ),
    ] = False,
    loading: AskLoading = False,
    quality: AskQuality = False,
    labels: LabelsFile = None,
    clip: ClipModel = None,
    allow_shared: Annotated[
        bool,
        measuring(
            "--allow-shared",
            help="Keep a result although other processes used the GPU: valid with a caution, and "
            "never rated.",
        ),
    ] = False,
    fresh: Annotated[
        bool,
        measuring(
            "--fresh",
            help="Measure finished models anew, and forget the runs of an interrupted one.",
        ),
    ] = False,
    allow_pickle: Annotated[
        bool,
        when_loading(
            "--allow-pickle",
            help="Load pickled weights where there are no safetensors. They can run code.",
        ),
    ] = False,
    base_model: BaseModel = None,
    base_relation: BaseRelation = None,
    trust_remote_code: Annotated[
        bool, when_loading("--trust-remote-code", help="Run code from the model's repository.")
    ] = False,
    everything: Annotated[
        bool,
        measuring(
            "--all",
            help="Every task with its bundled models, each in a process of its own, as "
            f"`energyscore suite` does. With --quick {DEMO_QUERIES} queries each, unless --queries "
            "says more.",
        ),
    ] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    out: Out = RESULTS,
    form: Format = "table",
) -> None:
    """Measure the energy of models at tasks, rate it, and export the results.

    Without a task and a model: a demonstration on three bundled architectures, with a few
    queries each, in about a minute on two idle processor cores.

    The same command goes on where it was: models that are finished on this machine are not measured
    again, and finished runs of an interrupted one are kept. --fresh measures anew.

    Examples:
      energyscore run

      energyscore run text_generation --model builtin:gpt2 --quick

      energyscore run text_generation --model openai-community/gpt2

      energyscore run text_generation --model builtin:gpt2 --repeats auto --half-width 0.5

      energyscore run reasoning --model Qwen/Qwen3-0.6B --reasoning off --reasoning on

      energyscore run sentence_similarity --model ./my-model --dataset pairs.csv --repeats 5

      energyscore run text_generation --server http://127.0.0.1:8000/v1 --model M --concurrency 1,8

      energyscore run text_generation --launch 'vllm serve DIR --port 8000' --model DIR

      energyscore run --all --quick
    """
    from energyscore.base.errors import UsageError
    from energyscore.measurement.options import Job, RunOptions

    options = options_of(context.params)
    site = site_of(country, pue, price)
    talk = talk_of(quiet=quiet, verbose=verbose, yes=yes)
    if everything:
        from energyscore.cli.suite_run import run_all

        if tasks or model or server or launch:
            raise UsageError("--all takes every task and its own models; name none beside it.")
        if pue or price:
            raise UsageError(
                "--pue and --price are for tables.", "Name them for `energyscore rate`."
            )
        few = RunOptions(queries=DEMO_QUERIES) if quick else RunOptions()
        raise typer.Exit(run_all(options.over(few), out, form, task_path, talk, fresh=fresh))
    # CUDA orders GPUs by speed unless told otherwise; NVML orders them by PCI bus.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    from energyscore.base.lookup import resolve
    from energyscore.cli.console import ProgressObserver, show_report, write_data
    from energyscore.measurement.session import run_session
    from energyscore.publish.against_screen import told_of_screens
    from energyscore.publish.formats import EXPORTERS
    from energyscore.publish.results_folder import ResultsFolder
    from energyscore.publish.took import measuring_took
    from energyscore.results.store import CSV_NAME, KnownResults

    demo = not tasks and not model and dataset is None and not (server or launch)
    if demo:
        options = options.over(RunOptions(quick=True, queries=DEMO_QUERIES, repeats=DEMO_REPEATS))
    job = Job(
        tasks=tuple(tasks or ["text_generation"]),
        models=tuple(model or ()),
        options=options,
        out=out,
        task_path=task_path,
        fresh=fresh,
        server=server_of(context.params),
    )
    with ProgressObserver(talk) as observer:
        if demo:
            observer.say(DEMO)
        known = KnownResults(out, lambda error: observer.warn(f"left out: {error.message}"))
        folder = ResultsFolder(known)
        outcome = run_session(job, observer, folder.write_csv)
        if took := measuring_took(outcome.costs):
            observer.say(took)
        made = [result for _, result in outcome.results]
        for line in told_of_screens(made, [one for _, one in known.load()]):
            observer.say(line)
        report = folder.rated_own([path for path, _ in outcome.results], site)
    if form == "json":
        write_data(resolve(EXPORTERS, "json")(report))
    elif report:
        where = f"results: {out / CSV_NAME}, and a JSON file of each beside it."
        show_report(report, files=where, how=f"energyscore rate {out} --explain")
    raise typer.Exit(outcome.exit_status)
