"""The pages of advice: one for each, with its picture and its file. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment

from energyscore.publish import wording
from energyscore.publish.advice import text
from energyscore.publish.advice.form import AdviceReport, to_json
from energyscore.publish.advice.waterfall import waterfall_svg, waterfalls_of
from energyscore.publish.page.names import slug, unique

FOLDER = "advice"
"""Where the pages of advice lie."""


@dataclass(frozen=True)
class AdvicePage:
    """Advice that has a page, at `href` in the site."""

    report: AdviceReport
    name: str

    @property
    def href(self) -> str:
        """Its place in the site."""
        return f"{FOLDER}/{self.name}.html"

    @property
    def title(self) -> str:
        """What it is about."""
        return text.at_its_rate(wording.task_title(self.report.task), self.report)

    @property
    def answer(self) -> list[str]:
        """What to do, and what it comes to."""
        return text.answer_of(self.report)


def pages_of(reports: Sequence[AdviceReport]) -> list[AdvicePage]:
    """The pages, in the order of their advice."""
    found: list[AdvicePage] = []
    for report in reports:
        name = unique(slug(report.task), [one.name for one in found])
        found.append(AdvicePage(report, name))
    return found


def files_of_advice(
    pages: Sequence[AdvicePage], templates: Environment, hrefs: Mapping[str, str]
) -> dict[str, bytes]:
    """The files of these pages; `hrefs` are the pages of result files, by their paths."""
    files: dict[str, bytes] = {}
    for one in pages:
        report = one.report
        page = templates.get_template("advice.html").render(
            root="../",
            one=one,
            report=report,
            pictures=waterfalls_of(report),
            unit=text.shown_unit(report),
            table_title=text.title_of(report),
            columns=text.COLUMNS,
            rows=text.rows_of(report),
            missing=text.cannot_tell(report),
            left_out=text.left_out(report),
            hrefs=hrefs,
        )
        path = f"{FOLDER}/{one.name}"
        if report.waterfall:
            files[f"{path}.svg"] = waterfall_svg(report).encode()
        files[f"{path}.json"] = to_json(report)
        files[f"{path}.html"] = page.encode()
    return files
