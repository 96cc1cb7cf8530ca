"""Who listens at a port: a server, or what stands before it or leads elsewhere."""

import contextlib
import os
import subprocess
import sys

import pytest

from energyscore.base.errors import ServerError, UnsupportedError, UsageError
from energyscore.measurement.family import Member, ServerFamily
from energyscore.measurement.options import RunOptions
from energyscore.measurement.server.abilities import Abilities
from energyscore.measurement.server.find import _unseen, check_asked
from energyscore.measurement.server.host import Listener, find_listener
from energyscore.measurement.server.served import ServedModel, Server
from energyscore.measurement.server_asked import LoadAsked
from energyscore.protocol.task import load_tasks

LISTENS = """
import os, socket, sys
one = socket.create_server(("127.0.0.1", 0))
print(one.getsockname()[1], flush=True)
if len(sys.argv) > 1:
    os.fork()  # both listen there
sys.stdin.read()
"""


@contextlib.contextmanager
def listening(tmp_path, name, *more):
    """A program of this name that listens at a port: the port, and its process."""
    program = tmp_path / name
    program.symlink_to(os.path.realpath(sys.executable))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([program, "-S", "-c", LISTENS, *more], **pipes) as process:
        yield int(process.stdout.readline()), process
        process.stdin.close()


@pytest.mark.parametrize("name", ["ssh", "socat", "kubectl"])
def test_what_leads_elsewhere_is_refused(tmp_path, name):
    with (
        listening(tmp_path, name) as (port, _),
        pytest.raises(UnsupportedError, match=rf"--server A: {name} listens there, and leads"),
    ):
        find_listener("A", port)


def test_what_stands_before_a_server_is_not_taken_for_it(tmp_path):
    with listening(tmp_path, "docker-proxy") as (port, _):
        there = find_listener("A", port)
    assert there == Listener(None, "docker-proxy")
    (caution,) = _unseen(there, ["0"])
    assert caution.code == "server_not_seen"
    assert "its processes are not known, as docker-proxy listens for it" in caution.message


def test_several_that_listen_at_one_port_are_one_family(tmp_path):
    with listening(tmp_path, "server", "both") as (port, process):
        family = find_listener("A", port).family
        assert family.eldest == (Member.of(process.pid),)
        assert len(family.members()) == 2
    assert (
        "none of its processes is listed" in _unseen(Listener(ServerFamily(())), ["0"])[0].message
    )


def served(start="s", command=None, address="A", family=None):
    task = load_tasks()["text_generation"].spec
    server = Server(
        address=address,
        key=None,
        model="m",
        family=family,
        abilities={task.id: Abilities("completions")},
        gpus=(),
        device="cpu",
        tokenizer=None,
        start=start,
        command=command,
    )
    return ServedModel(server, task, LoadAsked(concurrency=1))


def test_a_server_that_was_started_anew_is_another():
    own = Member.of(os.getpid())
    served(family=ServerFamily((own,))).check()
    with pytest.raises(ServerError, match="A: the server has ended, or was started anew"):
        served(family=ServerFamily((Member(own.start - 1, own.pid),))).check()


def test_one_that_the_same_command_starts_goes_on_at_whatever_port():
    assert served().told_apart_by != served(address="B").told_apart_by
    one = served(command="serve", start="digest").told_apart_by
    assert one == served(command="serve", start="digest", address="B").told_apart_by
    assert one != served(command="serve", start="another").told_apart_by


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            {"reasoning": ["off"]},
            r"chat_template_kwargs, reasoning_effort.*vllm serve DIR --default",
        ),
        ({"batch_size": 8}, "does not go with --batch-size. The server decides of its model"),
    ],
)
def test_what_a_server_decides_itself_is_refused_with_what_to_do(options, why):
    reasoning = load_tasks()["reasoning"].spec
    with pytest.raises(UsageError, match=why):
        check_asked(RunOptions(**options), [reasoning], ["m"])
    check_asked(RunOptions(), [reasoning], ["m"])
