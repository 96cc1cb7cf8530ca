"""The page in a real browser: what it does, and how it looks."""

import re
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright
from support.results import make_server_result
from support.sites import many, report_of

from energyscore.base.writing import write_files
from energyscore.publish.page import to_page

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ALONE = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on the PATH")

CONTRASTS = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = (top, ground) =>
    [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement)
      layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const words = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || ["SCRIPT", "STYLE", "TITLE", "title"].includes(element.tagName)) continue;
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    const back = ground(element);
    const colour = over(parse(drawn ? style.fill : style.color), back);
    found.push([ratio(colour, back), element.tagName, element.className.toString()]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_files(folder, to_page(report_of(many())), kind="page", remedy="")
    loads = [make_server_result(concurrency=n, tokens_per_s=40.0 * n) for n in (1, 8)]
    write_files(folder / "loads", to_page(report_of(loads)), kind="page", remedy="")
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=BROWSER, args=ALONE)
        yield running
        running.close()


@pytest.fixture
def visit(browser, site):
    """Open a page of the site; at the end nothing was asked for elsewhere, nothing went wrong."""
    requests, complaints, contexts = [], [], []

    def go(path="index.html", width=1280, **options):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(f"{site.as_uri()}/{path}")
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
    assert requests
    assert [url for url in requests if not url.startswith((site.as_uri(), "data:"))] == []


def shown(page, column=1, table=0):
    """The texts of a column of a table, rows that are not seen left out."""
    cells = page.locator("table.results").nth(table).locator(f"tbody tr > :nth-child({column})")
    return [cell.inner_text().split("\n")[0] for cell in cells.all() if cell.is_visible()]


def keys(page, column):
    return page.evaluate(
        "column => [...document.querySelector('.results').tBodies[0].rows]"
        ".map(row => row.cells[column].dataset.key)",
        column - 1,
    )


def path_of(site, model):
    (file,) = site.glob(f"results/{model}-text-generation-*.html")
    return f"results/{file.name}"


def test_a_click_sorts_and_another_turns_it_around(visit):
    page = visit()
    header = page.locator("table.results").first.locator("thead th")
    size = header.nth(1)
    size.locator("button").click()
    sizes = [int(key) for key in keys(page, 2)]
    assert sizes == sorted(sizes) and len(set(sizes)) > 5
    assert size.get_attribute("aria-sort") == "ascending"
    assert header.nth(3).get_attribute("aria-sort") is None
    size.locator("button").click()
    assert [int(key) for key in keys(page, 2)] == sorted(sizes, reverse=True)
    assert size.get_attribute("aria-sort") == "descending"


def test_what_has_no_figure_stays_last_in_both_directions(visit):
    page = visit()
    button = page.locator("table.results").first.locator("thead th").nth(3).locator("button")
    for ascending in (False, True):
        button.click()
        figures = keys(page, 4)
        assert figures[-1] == ""
        numbers = [float(figure) for figure in figures[:-1]]
        assert numbers == sorted(numbers, reverse=not ascending)


def test_sorting_works_by_keyboard_and_focus_is_seen(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("document.activeElement.textContent") == "Stars":
            break
    page.keyboard.press("Enter")
    stars = keys(page, 3)
    given = [int(one) for one in stars if one]
    assert given == sorted(given, reverse=True) and len(set(given)) > 2
    page.keyboard.press("Space")
    assert [int(one) for one in keys(page, 3) if one] == sorted(given)
    assert page.evaluate("document.activeElement.closest('th').ariaSort") == "ascending"


def test_filters_choose_rows_points_and_sections(visit):
    page = visit()
    page.get_by_label("Model or hardware").fill("MODEL a100")
    assert page.locator("#filter-none").is_visible()
    page.get_by_label("Model or hardware").fill("org/model")
    assert shown(page) == [f"org/model-{number}" for number in range(8)]
    assert page.locator("#filter-count").inner_text() == "8 of 28 results"
    assert page.locator("section.task:visible").count() == 1
    assert page.locator("section.cohort:visible").count() == 1
    assert page.locator(".plot a[data-row]:visible").count() == 8
    summary = page.locator(".plot .summary:visible").inner_text()
    assert summary == "8 of 21 results are shown."
    assert page.locator(".chips a:visible").all_inner_texts() == ["Text generation, class A 8"]
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#filter-text")).to_have_value("")
    expect(page.locator("section.task:not([hidden])")).to_have_count(2)
    page.get_by_label("Energy of", exact=True).select_option("estimated")
    assert shown(page, table=1) == ["org/on-cpu-0", "org/on-cpu-1", "org/on-cpu-2"]
    assert page.locator("section.cohort:visible").count() == 1
    # The plot of quality follows the filter, and its column is sorted by keyboard.
    plot, text = page.locator(".plot.quality"), page.get_by_label("Model or hardware")
    assert plot.locator("svg.wide .front").is_visible()
    page.get_by_role("button", name="Quality").first.press("Enter")
    assert shown(page, table=1) == ["org/on-cpu-2", "org/on-cpu-0", "org/on-cpu-1"]
    text.fill("org/on-cpu-0")
    assert plot.locator("a[data-row]:visible, .join:visible").count() == 2
    assert not plot.locator("svg.wide .front").is_visible()
    assert plot.locator(".summary").inner_text() == "1 of 3 results are shown."
    text.fill("")
    page.get_by_label("Energy of", exact=True).select_option("")
    page.get_by_label("Hardware", exact=True).select_option("NVIDIA A100-SXM4-40GB")
    assert shown(page, table=2) == ["org/other-gpu"]


def test_a_filter_stands_in_the_address_and_is_found_again(visit):
    page = visit()
    page.get_by_label("Model or hardware").fill("on-cpu")
    page.get_by_label("Energy of", exact=True).select_option("estimated")
    assert page.url.endswith("index.html?text=on-cpu&basis=estimated")
    page.get_by_role("link", name="org/on-cpu-1", exact=True).first.click()
    page.go_back()
    expect(page.locator("#filter-count")).to_have_text(re.compile("^3 "))
    assert page.get_by_label("Model or hardware").input_value() == "on-cpu"
    again = visit("index.html?text=on-cpu-1&basis=nothing-here")
    assert again.locator("#filter-count").inner_text() == "1 of 28 results"
    again.get_by_role("button", name="Show all").click()
    expect(again).to_have_url(re.compile("index.html$"))


@pytest.mark.parametrize("model", [None, "org-spread"])
def test_plots_can_be_read_whole_on_a_phone(visit, site, model):
    page = visit(path_of(site, model) if model else "index.html", width=375)
    (plot,) = [one for one in page.locator(".plot svg.narrow").all() if one.is_visible()][:1]
    box = plot.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 375
    texts = [text.bounding_box() for text in plot.locator("text").all()]
    # A text of 12 px takes about 14 px; none lies outside of the plot.
    assert min(one["height"] for one in texts) > 11
    assert min(one["x"] for one in texts) >= box["x"] - 1
    assert max(one["x"] + one["width"] for one in texts) <= box["x"] + box["width"] + 1
    assert not page.locator(".plot svg.wide").first.is_visible()


def test_links_of_table_and_plot_lead_to_the_models_page_and_back(visit):
    page = visit()
    page.get_by_role("link", name="org/model-3", exact=True).click()
    assert page.locator("h1").inner_text() == "org/model-3"
    assert page.evaluate("document.querySelector('figure.label img').naturalWidth") == 260
    page.get_by_role("link", name="Energy of AI models").click()
    point = page.locator(".plot svg.wide a[href*='org-model-5-']")
    point.locator("circle").click()
    assert page.locator("h1").inner_text() == "org/model-5"


def test_names_that_are_code_do_nothing_but_show(visit):
    page = visit()
    page.get_by_role("link", name="<script>alert(1)</script>", exact=True).click()
    assert page.locator("h1").inner_text() == "<script>alert(1)</script>"
    assert page.title().startswith("<script>alert(1)</script>,")


def test_without_javascript_all_rows_stand_in_order_and_nothing_is_dead(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("form").is_hidden()
    assert page.locator("button:visible").count() == 0
    table = page.locator("table.results").first
    assert page.locator("table.results tbody tr:visible").count() == 28
    figures = table.locator("td.energy b").all_inner_texts()
    numbers = [float(one.replace(",", "")) for one in figures[:-1]]
    assert numbers == sorted(numbers) and len(numbers) > 20


@pytest.mark.parametrize("model", [None, "org-spread", "org-a-name*"])
def test_nothing_is_wider_than_the_screen(visit, site, model):
    page = visit(path_of(site, model) if model else "index.html")
    for width in (320, 390, 768, 993, 1024, 1279, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.body.scrollWidth") <= width


def test_on_a_phone_each_figure_has_its_name_and_sorting_stays(visit):
    page = visit(width=390)
    cell = page.locator("table.results tbody tr").first.locator("td").first
    assert page.evaluate("e => getComputedStyle(e, '::before').content", cell.element_handle()) == (
        '"Parameters"'
    )
    button = page.locator("table.results").first.locator("thead button").nth(1)
    button.click()
    assert [int(key) for key in keys(page, 2)] == sorted(int(key) for key in keys(page, 2))
    assert page.locator("table.results").first.get_attribute("role") == "table"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("model", [None, "org-spread", "org-spoiled", "org-on-cpu-0"])
def test_texts_stand_out_from_their_ground(visit, site, scheme, model):
    page = visit(path_of(site, model) if model else "index.html", color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 50
    assert found[0][0] >= 4.5, found[:5]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, dark[4:-1].split(","))) < 200) == (scheme == "dark")


def test_motion_is_only_for_those_who_want_it(visit):
    for motion, behaviour in (("reduce", "auto"), ("no-preference", "smooth")):
        page = visit(reduced_motion=motion)
        root = "getComputedStyle(document.documentElement).scrollBehavior"
        assert page.evaluate(root) == behaviour


@pytest.mark.parametrize(("width", "kind"), [(1280, "wide"), (390, "narrow")])
def test_curves_are_seen_whatever_the_script_filters(visit, width, kind):
    page = visit("loads/index.html", width=width)
    page.locator("#filter-count").wait_for()  # the script has run
    figures = page.locator("figure.curves")
    assert [one.is_visible() for one in figures.all()] == [True, True]
    assert [one.is_visible() for one in figures.locator(f"svg.{kind}").all()] == [True, True]
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
