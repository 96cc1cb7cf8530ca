"""Saving a measurement as a result, for the commands that judge and show results."""

import html
from collections.abc import Iterable
from pathlib import Path

from energyscore.base.writing import write_atomically
from energyscore.results.result import Result, result_to_json
from energyscore.results.store import result_folder, save_result

LONGEST_FOLDER = 100


def save(result: Result, out: Path) -> Path:
    """Write a result: to a file that ends in .json, else into a folder of results."""
    kept = result.model_copy(update={"raw": None})  # its raw record lies elsewhere
    if out.suffix.lower() == ".json":
        write_atomically(out, result_to_json(kept))
        return out
    org, _, model = kept.model.id.rpartition("/")
    folder = org or kept.model.source, model
    if kept.of_function:
        folder = "function", kept.model.id[:LONGEST_FOLDER]  # the file's name tells it from others
    return save_result(result_folder(out, folder, kept.task.id), kept)


def to_html(name: str, rows: Iterable[tuple[str, str]], remarks: Iterable[tuple[str, str]]) -> str:
    """A small table for notebooks: everything in it is escaped."""
    lines = [
        f"<tr><th style='text-align:left'>{html.escape(head)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for head, text in (*rows, *remarks)
    ]
    caption = f"<caption style='text-align:left'><b>{html.escape(name)}</b></caption>"
    return f"<table>{caption}<tbody>{''.join(lines)}</tbody></table>"
