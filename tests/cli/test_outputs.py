"""No command writes over what it read, whatever name it is given by."""

import os

import pytest
from support.results import make_result, make_run

from energyscore.base.errors import EnergyScoreError, UsageError
from energyscore.cli import baseline, bundle, card, compare, gate, label, leaderboard, page, rate
from energyscore.results.result import result_to_json
from energyscore.results.store import save_result


@pytest.fixture
def result(tmp_path):
    """A result's file, which a link and a second name lead to as well."""
    path = save_result(tmp_path / "results", make_result("org/a"))
    (tmp_path / "link.svg").symlink_to(path)
    os.link(path, tmp_path / "second.md")
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda result, folder: card.card([result], write=folder / "second.md"),
        lambda result, folder: card.card([result.parent], write=folder / "second.md"),
        lambda result, folder: label.label([result], out=folder / "link.svg"),
        lambda result, folder: gate.gate(
            [result.parent],
            limits=["gpu_wh_per_1k_queries<=9"],
            form="table",
            json_file=result,
        ),
    ],
    ids=["card", "card of a folder", "label", "gate"],
)
def test_a_result_is_not_written_over(result, tmp_path, write):
    before = result.read_bytes()
    with pytest.raises(UsageError, match=r"that (are|is) read"):
        write(result, tmp_path)
    assert result.read_bytes() == before == result_to_json(make_result("org/a")).encode()


def test_a_card_is_not_written_into_a_file_of_another_kind(result, tmp_path):
    other = save_result(tmp_path / "others", make_result("org/b"))
    before = other.read_bytes()
    with pytest.raises(UsageError, match="no model card"):
        card.card([result], write=other)
    assert other.read_bytes() == before


def test_an_official_leaderboard_is_not_written_over_its_source(result, tmp_path):
    source = tmp_path / "text_generation.csv"
    text = "model,total_gpu_energy,energy_score,class\norg/x,0.01,5,A\norg/y,0.03,1,A\n"
    source.write_text(text)
    with pytest.raises(UsageError, match="would replace a file that is read"):
        leaderboard.leaderboard([source, result], form="official", out=tmp_path)
    assert source.read_text() == text


@pytest.mark.parametrize(
    "write",
    [
        lambda result, loop: page.page([result], loop),
        lambda result, loop: page.page([result], loop / "site"),
        lambda result, loop: page.page([loop], result.parent / "site"),
        lambda result, loop: leaderboard.leaderboard(
            [result, result.parent / "other.json"],
            form="official",
            out=loop,
        ),
        lambda result, loop: leaderboard.leaderboard([loop]),
        lambda result, loop: bundle.bundle([loop], loop.parent / "x.zip", attest=True),
        lambda result, loop: card.card([result], write=loop),
        lambda result, loop: label.label([result], out=loop.with_suffix(".svg")),
        lambda result, loop: rate.rate([loop]),
        lambda result, loop: compare.compare([result, loop]),
        lambda result, loop: baseline.save([result], loop),
        lambda result, loop: gate.gate(
            [result],
            limits=["gpu_wh_per_1k_queries<=9"],
            form="table",
            json_file=loop,
        ),
    ],
)
def test_links_in_a_circle_are_named_in_one_line(result, tmp_path, write):
    runs = [make_run(index, joules=9000.0) for index in range(10)]
    other = save_result(result.parent, make_result("org/b", runs, identity="b" * 64))
    other.rename(result.parent / "other.json")
    for suffix in ("", ".zip", ".svg"):
        (tmp_path / f"a{suffix}").symlink_to(f"b{suffix}")
        (tmp_path / f"b{suffix}").symlink_to(f"a{suffix}")
    with pytest.raises(EnergyScoreError) as caught:
        write(result, tmp_path / "a")
    assert caught.value.exit_code == 2
    assert str(tmp_path / "a") in str(caught.value)


def test_a_card_can_be_written_into_a_pipe(result, tmp_path):
    pipe = tmp_path / "p.md"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        card.card([result], write=pipe)
        assert os.read(reader, 100_000).startswith(b"---\n# energyscore: begin")
    finally:
        os.close(reader)
    assert pipe.is_fifo()
