"""What tests share: the command line as a process, a tiny model, results made by hand."""

import functools
import gc
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import typer.main
from support.commands import Done, gpu
from support.nvml_sim import Gpu, Simulation, env_without_library

os.environ["HF_HUB_OFFLINE"] = "1"  # no test may ask the hub
os.environ["ENERGYSCORE_NO_CACHE"] = "1"  # what a test checks is checked
os.environ["XDG_DATA_HOME"] = "/nonexistent"  # no scale of whoever runs the tests
# The models of tests are too small for two threads, and two workers leave none a second core.
os.environ["OMP_NUM_THREADS"] = "1"
# Memory that is given back at once is fetched anew, page by page: a sixth of the time of large
# arrays. Workers and all that tests start keep it.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**25))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**28))
# A hundred processes that tests start would each compile our modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False  # pytest would work on each file of tests anew
os.environ.pop("COLUMNS", None)  # tables are as wide as without a terminal
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The commands take 30 ms to build, and twice that where one ends in an error: once is enough.
typer.main.get_command = functools.cache(typer.main.get_command)


gc.disable()  # until all that the tests import is imported, and can be set aside


def pytest_collection_finish():
    """Spare the collector the libraries' million objects: a run that is measured collects first."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """What the tests before imported stays, too; what they gave up is freed."""
    gc.collect()
    gc.freeze()


SLOW = (
    *("test_server", "test_docs", "test_simulated_gpu", "test_ray", "test_action", "test_suite"),
    *("test_whole_way", "test_regression", "test_verify_attacks", "test_launched", "test_verify"),
    *("test_robustness", "test_run", "test_selftest_run", "test_backends", "test_api"),
    *("test_worked_example", "test_launcher", "test_hub", "test_client", "test_page_browser"),
    *("test_saving", "test_nvml_recorder", "test_bad_input", "test_scale_command", "test_tune"),
    *("test_tune_runner", "test_diffusion", "test_real_model", "test_sbatch"),
    *("test_phases_by_the_meter", "test_model_loading", "test_bundle", "test_nvml_sim"),
    *("test_families", "test_launch", "test_slurm", "test_session", "test_sound_families"),
    *("test_vision_families", "test_streams", "test_verify_fuzz", "test_light", "test_loading"),
    *("test_text_tasks", "test_load", "test_reasoning", "test_vision", "test_power_limit"),
    *("test_several_gpus", "test_whole", "test_quality", "test_suite_list", "test_spreading"),
    *("test_continuity", "test_model", "test_wire", "test_silence", "test_open_loop"),
    *("test_asr", "test_image_captioning", "test_inputs_cut", "test_quantizing"),
    *("test_quality_clip", "test_claims", "test_unfinished", "test_tokens"),
)
"""Files whose tests import torch, start processes or wait, the longest first: marked `slow`."""


def pytest_ignore_collect(collection_path, config):
    """What is left out whole is not imported: torch and transformers take ten seconds a worker."""
    left_out = config.getoption("markexpr") == "not slow" and collection_path.stem in SLOW
    return True if left_out else None


def pytest_collection_modifyitems(config, items):
    """Files that take long go first, so that the workers end together; none opt-in runs unasked."""
    for opt_in in {"gpu", "vllm"} - set(re.findall(r"\w+", config.getoption("markexpr"))):
        needing = [item for item in items if item.get_closest_marker(opt_in)]
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if not item.get_closest_marker(opt_in)]
    place = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
    for item in items:
        if item.path.stem in place:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.flaky(reruns=2))  # they measure in real time


def pytest_configure(config):
    """Refuse two workers on one GPU: each would spoil what the other measures."""
    if config.getoption("markexpr") == "gpu" and config.getoption("numprocesses", 0):
        raise pytest.UsageError("one at a time: python -m pytest -m gpu -n 0 tests/gpu")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The command line in this process and the test's folder: a process of its own costs seconds.

    For commands that load no torch.
    """

    def run(*arguments: object) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["energyscore", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Done(int(end.value.code or 0), captured.out, captured.err)

    from energyscore.cli import main

    return run


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A folder with a very small GPT-2 and the bundled tokenizer, as `save_pretrained` writes."""
    import torch
    from tokenizers import Tokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    from energyscore.protocol.bundled import tokenizer_path

    folder = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=2,
        n_embd=64,
        n_head=2,
        vocab_size=8192,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(tokenizer_path())),
        pad_token="<pad>",
        eos_token="</s>",
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def prompts_csv(tmp_path_factory) -> Path:
    """A dataset of 400 short texts, so that runs with the tiny model take seconds."""
    file = tmp_path_factory.mktemp("data") / "prompts.csv"
    rows = [f'"Report number {number} from the harbour, in short words."' for number in range(400)]
    file.write_text("\n".join(["text", *rows]) + "\n")
    return file


@pytest.fixture(scope="session")
def official_folder(tmp_path_factory) -> Path:
    """A folder with one official result, measured in simulated time; to be read only."""
    from support.submissions import measure

    folder = tmp_path_factory.mktemp("official")
    measure(folder)
    return folder


@pytest.fixture(scope="session")
def sim_dir(tmp_path_factory) -> Path:
    """Where the simulated driver's library is built, once."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler on the PATH to build the simulated driver with")
    return tmp_path_factory.mktemp("nvml")


@pytest.fixture(scope="session")
def no_driver(tmp_path_factory) -> dict[str, str]:
    """An environment without a driver; one for all tests, so that commands can be forks."""
    return env_without_library(tmp_path_factory.mktemp("no-driver"))


@pytest.fixture
def simulate(sim_dir):
    """Make a simulated driver; a 300 W GPU unless told otherwise."""

    def make(*gpus: Gpu, **options) -> Simulation:
        return Simulation(sim_dir, gpus or (gpu(),), **options)

    return make
