"""The help of every command as it is printed."""

import pytest
import typer
from support.commands import python

from energyscore.cli.app import app


def commands(group, *names):
    """Each command with its names, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield [*names, name], command


@pytest.mark.parametrize("words", [words for words, _ in commands(typer.main.get_command(app))])
def test_the_help_of_a_command_shows_plain_names_and_indented_examples(words, capsys):
    app([*words, "--help"], standalone_mode=False)
    shown = capsys.readouterr().out
    (usage,) = [line for line in shown.splitlines() if "Usage:" in line]
    assert "[[" not in usage
    assert not set("{}") & set(usage)
    examples = [line.rstrip() for line in shown.partition("Example")[2].splitlines()]
    commands_shown = [line for line in examples if line.lstrip().startswith("energyscore ")]
    assert commands_shown
    assert all(line.startswith("   energyscore") for line in commands_shown)


def single_valued():
    for words, command in commands(typer.main.get_command(app)):
        for option in command.params:
            if option.param_type_name == "option" and not option.multiple and not option.is_flag:
                yield words, option


@pytest.mark.parametrize(
    ("words", "option"), [(words, option.opts[0]) for words, option in single_valued()]
)
@pytest.mark.parametrize("form", ["{0} 1 {0} 2", "{0}=1 {0}=1"])
def test_an_option_of_one_value_refuses_a_second_one(command, words, option, form):
    done = command(*words, *form.format(option).split())
    assert done.status == 2
    assert f"'{option}" in done.error
    assert "it takes one value, and 2 are given." in done.error


def test_lists_and_flags_may_be_repeated(command):
    done = command("compare", "a", "b", "--allow", "gpu", "--allow", "cpu", "--all", "--all")
    assert "a does not exist" in done.error
    twice = command("suite", "a.yaml", "--keep-going", "--stop-on-failure")
    assert "it takes one value, and 2 are given." in twice.error


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("energyscore ba", ["baseline"]),
        ("energyscore run text_", ["text_classification", "text_generation"]),
    ],
)
def test_a_shell_completes_commands_and_tasks(words, found):
    place = str(len(words.split()) - 1)
    env = {"_ENERGYSCORE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
    code = "import sys; sys.argv = ['energyscore']; import energyscore.cli as c; c.main()"
    assert python(code, env).stdout.split() == found
