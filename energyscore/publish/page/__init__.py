"""Rated results as a static site: an index of all, and a page for each.

Every page is whole by itself: styles and script stand in it, nothing is asked of any server, and
it works from a disk. Names and other texts in results are written by others: the
templates escape all of it, and a content security policy lets nothing run but the script that is
ours. The same results give the same bytes.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from energyscore.base.processes import worked_on
from energyscore.base.units import counted, format_number
from energyscore.judge.cautions import is_block
from energyscore.judge.comparability import threads_of
from energyscore.judge.contenders import Contender, contender_of
from energyscore.judge.footprint import describe_sites
from energyscore.judge.modes import tokens_of
from energyscore.judge.rating import RatedResult, Report
from energyscore.publish import margins, wording
from energyscore.publish.advice.form import AdviceReport
from energyscore.publish.beside import facts_beside
from energyscore.publish.choice_cells import REPORTED, latency_cell, quality_cell, quality_value
from energyscore.publish.family import COLUMNS
from energyscore.publish.label import label_svg, label_title
from energyscore.publish.page.advice import files_of_advice, pages_of
from energyscore.publish.page.batches import batch_curves_of, batch_size
from energyscore.publish.page.cohorts import Listed
from energyscore.publish.page.detail import hub_address, phases_of, run_figures, warnings_of
from energyscore.publish.page.index import sections_of
from energyscore.publish.page.loads import first_token_of, load_curves_of, load_of, median_of
from energyscore.publish.page.names import page_names
from energyscore.publish.page.plots import plots_of, strips_of
from energyscore.publish.page.quality import quality_plots_of, shown_families
from energyscore.results.lean import text_without_runs
from energyscore.results.result import Result, result_to_json
from energyscore.results.store import RAW_ENDING

FOLDER = "results"
"""Where the pages of single results lie, with their labels and files."""

TITLE = "Energy of AI models"

MOST_PAGES = 500
"""Results that have a page of their own, unless told otherwise."""

_MANY_PAGES = 50  # are made by several processes

_MOST_OTHERS = 50  # results of the model that a page names

# Characters that HTML forbids, and those that turn around what stands beside them.
_UNSHOWN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    r"\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)

_TEXTS = (
    counted,
    *(wording.task_title, wording.task_name, wording.name, wording.second, wording.duration),
    *(wording.short_count, wording.megabytes, wording.known, margins.with_decimals),
    *(margins.plus_minus, wording.kind, wording.what, wording.how, wording.interval),
    *(wording.decimals, wording.figure, wording.margin, wording.why_no_energy, wording.tokens),
    *(wording.derived, wording.chances, wording.relative_to, wording.is_pale),
    *(wording.per_token, threads_of, is_block, facts_beside),
    *(tokens_of, label_title, hub_address, warnings_of, phases_of, run_figures, plots_of),
    *(quality_plots_of, quality_value, quality_cell, latency_cell, batch_size),
    *(load_of, first_token_of, median_of),
)
"""What templates may ask for, as filters."""


def to_page(
    report: Report,
    title: str = TITLE,
    raw_of: Callable[[RatedResult], bytes | None] = lambda entry: None,
    *,
    most_pages: int = MOST_PAGES,
    whole: Callable[[RatedResult], Result] = lambda entry: entry.result,
    reported: Callable[[list[Contender]], list[Contender]] = lambda known: known,
    advice: Sequence[AdviceReport] = (),
) -> dict[str, bytes]:
    """The files of the site: path in it, with `/`, and content. `index.html` is the last.

    Each of the newest results has a page, its file, and where it is valid its label, under one
    name; beside them its raw record, under the name that the result gives it. All are listed.

    Args:
        report: the results.
        title: the heading.
        raw_of: the raw record of a result, where it is at hand.
        most_pages: how many results have a page.
        whole: gives a result with all its details.
        reported: puts qualities that were reported elsewhere in place of the measured ones.
        advice: what has a page of its own too, and stands first in the index.
    """
    entries = _in_order(report)
    names = page_names([entry.result for entry in entries])
    told = reported([contender_of(entry) for entry in entries])
    shown = _newest(entries, most_pages)
    pages = _templates(title)
    files: dict[str, bytes] = {}
    by_model: dict[str, list[tuple[RatedResult, str]]] = {}
    all_three = list(zip(entries, names, told, strict=True))
    paged = [three for place, three in enumerate(all_three) if place in shown]
    why_no_raw: dict[str, str] = {}
    for entry, name, _ in paged:
        by_model.setdefault(_model(entry), []).append((entry, name))
        raw, why_no_raw[name] = _raw(entry, raw_of(entry), files)
        files |= raw

    def files_of(place: int) -> dict[str, bytes]:
        entry, name, one = paged[place]
        entry = replace(entry, result=whole(entry))
        path = f"{FOLDER}/{name}"
        page = pages.get_template("result.html").render(
            root="../",
            entry=entry,
            name=name,
            told=one,
            strips=strips_of(entry, run_figures(entry)),
            file=PurePath(entry.file).name or f"{name}.json",
            why_no_raw=why_no_raw[name],
            stands_on=describe_sites([entry.footprint]),
            others=[one for one in by_model[_model(entry)] if one[1] != name][:_MOST_OTHERS],
        )
        return {
            **({f"{path}.svg": label_svg(entry).encode()} if entry.result.valid else {}),
            f"{path}.json": result_to_json(entry.result).encode(),
            f"{path}.html": page.encode(),
        }

    for made in worked_on(files_of, range(len(paged)), many=_MANY_PAGES):
        files |= made
    listed = [
        Listed(entry, f"{FOLDER}/{name}.html" if place in shown else "", one)
        for place, (entry, name, one) in enumerate(all_three)
    ]
    advised = pages_of(advice)
    files |= files_of_advice(
        advised, pages, {row.entry.file: row.href for row in listed if row.href}
    )
    index = pages.get_template("index.html").render(
        advice=advised,
        sections=sections_of(listed),
        families=shown_families(listed),
        batches=batch_curves_of(listed),
        loads=load_curves_of(listed),
        family_columns=COLUMNS,
        entries=entries,
        paged=len(shown),
        newest=max((entry.result.created_at[:10] for entry in entries), default=""),
        derived=describe_sites(entry.footprint for entry in entries),
    )
    files["index.html"] = index.encode()
    return files


def _raw(
    entry: RatedResult, data: bytes | None, files: Mapping[str, bytes]
) -> tuple[dict[str, bytes], str]:
    """The raw record's place and content; nothing where it cannot be given, and why."""
    part = entry.result.raw
    if part is None:
        return {}, "none was kept"
    if data is None or hashlib.sha256(data).hexdigest() != part.sha256:
        return {}, "it did not lie beside the result, or was changed"
    path = f"{FOLDER}/{part.file}"
    # The name is the result's own: it may take the place of nothing else.
    if not part.file.endswith(RAW_ENDING) or files.get(path, data) != data:
        return {}, f"its name, {part.file}, cannot stand here"
    return {path: data}, ""


def _model(entry: RatedResult) -> str:
    """What is one model: folders of one name are several, revisions on the hub are not."""
    return entry.name if entry.result.model.source == "local" else entry.result.model.id


def _in_order(report: Report) -> list[RatedResult]:
    """By energy; what is invalid comes after, what has no figure last. The order is total."""
    known = Counter(map(_order, report))
    # To write down what a result says takes time: it decides only between those that look alike.
    return sorted(
        report,
        key=lambda entry: (
            *_order(entry),
            text_without_runs(entry.result) if known[_order(entry)] > 1 else "",
        ),
    )


def _newest(entries: Sequence[RatedResult], most: int) -> frozenset[int]:
    """The places of the newest results."""
    by_age = sorted(
        range(len(entries)), key=lambda place: entries[place].result.created_at, reverse=True
    )
    return frozenset(by_age[:most])


def _order(entry: RatedResult) -> tuple[Any, ...]:
    result, energy_wh = entry.result, entry.rating.energy_wh
    return (
        energy_wh is None,
        not result.valid,
        energy_wh or 0.0,
        result.model.id,
        result.created_at,
        result.identity,
    )


def _templates(title: str) -> Environment:
    style, script = _asset("page.css"), _asset("page.js")
    pages = Environment(
        loader=PackageLoader("energyscore.publish.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {text.__name__: text for text in _TEXTS} | {"number": format_number}
    pages.globals |= {
        "kinds": wording.KINDS,
        "reported_not_measured": REPORTED,
        "title": title,
        "style": style,
        "script": script,
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "root": "",
    }
    return pages


def _shown(value: object) -> object:
    """A value as templates write it; they escape what this returns.

    Raises:
        TypeError: when it is None: what is missing must be said in words.
    """
    if value is None:
        raise TypeError("a template writes None: say what is missing")
    # What a macro gives has been escaped already.
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return _UNSHOWN.sub("\ufffd", value)
    return value


def _asset(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy knows a style or a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
