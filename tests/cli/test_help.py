"""The help of every command as it is printed."""

import pytest
import typer

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
