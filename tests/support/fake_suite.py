"""A suite whose entries are measured by a script in milliseconds, or end as it is told."""

import hashlib
import os
import sys
from pathlib import Path

from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.listing import Listing
from energyscore.measurement.suite.plan import make_plan
from energyscore.protocol.task import load_tasks
from energyscore.results.result import result_to_json
from energyscore.results.store import KnownResults

CHILD = """
import os, sys, time
how, folder, key, template = sys.argv[1:]
def say(text): print(text, file=sys.stderr, flush=True)
say("[1/1] working")
if how == "noisy":
    for _ in range(2000): say("x" * 1000)
elif how == "exit":
    os._exit(7)
elif how == "nothing":
    os._exit(0)
elif how == "error":
    say("caution: soon"); say("error: no such thing."); say("the end"); os._exit(2)
elif how == "segfault":
    import ctypes; ctypes.string_at(0)
elif how == "memory":
    import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); bytearray(2**30)
elif how == "oom":
    os.kill(os.getpid(), 9)
elif how == "hang":
    time.sleep(100)
elif how == "polite":
    try:
        open(template + ".waiting", "w").close(); time.sleep(100)
    except KeyboardInterrupt:
        open(template + ".kept", "w").write("journal")
        say("error: interrupted; 1 of 2 runs are kept."); os._exit(130)
elif how == "journal":
    journal = f"{folder}/.{key[:16]}.journal"
    try:
        if not os.path.exists(journal):
            os.makedirs(folder, exist_ok=True); open(journal, "w").write("a run")
            open(template + ".waiting", "w").close(); time.sleep(100)
    except KeyboardInterrupt:
        say("error: interrupted; kept of it: 1 of 2 runs."); os._exit(130)
    say("caution: going on from a run"); os.remove(journal)
elif how.startswith("sleep "):
    time.sleep(float(how.split()[1]))
text = open(template).read().replace("REQUEST", key)
if how == "invalid":
    text = text.replace('"valid": true', '"valid": false')
    text = text.replace('"invalid_reasons": []', '"invalid_reasons": ["the GPU was shared"]')
os.makedirs(folder, exist_ok=True)
temporary = f"{folder}/.tmp-{os.getpid()}"
with open(temporary, "w") as file:
    file.write(text[:99]); file.flush(); time.sleep(0.02); file.write(text[99:])
os.replace(temporary, f"{folder}/{time.time_ns()}_{os.getpid()}.json")
time.sleep(0.005)
if how == "late crash":
    os.kill(os.getpid(), 11)
elif how == "late polite":
    try:
        open(template + ".waiting", "w").close(); time.sleep(100)
    except KeyboardInterrupt:
        os._exit(130)
"""


def fake_plan(*names, **options):
    """Entries of text_generation for models of these names, all with these options."""
    asked = RunOptions.model_validate(options)
    entries = tuple(Entry("here", "text_generation", name, options=asked) for name in names)
    return planned_by_names(Listing("fake", entries, ours=True))


def planned_by_names(listing):
    """Its plan with keys of the models' names and the decisive options."""

    def key(task, model, options):
        return hashlib.sha256(f"{model.id}{options.decisive(task.spec)}".encode()).hexdigest()

    return make_plan(listing, load_tasks(), RunOptions(), key, key)


def fake_command(folder: Path, out: Path, how=lambda name: "measure"):
    """The factory of commands; `how` an entry ends is told by its model's name."""
    from support.results import make_cpu_run, make_result

    script, template = folder / "child.py", folder / "template.json"
    script.write_text(CHILD)
    result = make_result(runs=[make_cpu_run()], gpu=None)
    template.write_text(result_to_json(result.model_copy(update={"request": "REQUEST"})))

    def command(planned):
        where = [str(planned.folder(out)), planned.key, str(template)]
        return [sys.executable, "-I", "-S", str(script), how(planned.model_name), *where]

    return command


def known(out):
    """What is known of a folder; nothing in it may be broken."""

    def refuse(error):
        raise error

    return KnownResults(out, refuse)


class Watcher:
    """Keeps what it is told."""

    def __init__(self):
        self.begun, self.lines, self.ended = [], [], []

    def begin(self, number, planned, left_s):
        self.begun.append((planned.model_name, left_s))

    def line(self, text):
        self.lines.append(text)

    def end(self, number, record):
        self.ended.append(record)


def forked(function) -> int:
    """Run it in a process of its own group, which ends with it; gives its id."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        function()
        status = 0
    finally:  # whatever it was, it must not go on as a second test run
        os._exit(status)
