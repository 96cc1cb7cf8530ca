import io
import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from PIL import Image, ImageFont
from support.commands import energyscore
from support.results import make_cpu_run, make_result, make_run, make_server_result

from energyscore.base.errors import UsageError
from energyscore.base.packages import MissingPackage
from energyscore.judge.rating import RatedResult, rate
from energyscore.publish import label, svg_print
from energyscore.publish.svg_print import _font_folder
from energyscore.publish.typesetting import Step, fit, text_width
from energyscore.results.result import result_to_json

SVG = "{http://www.w3.org/2000/svg}"
GREEN, FAINT = "#1f8a3b", "#bfe0c8"
NAMES = [
    "gpt2",
    "meta-llama/Llama-3.1-8B-Instruct",
    "W" * 96,
    "x" * 100_000,
    "i" * 300,
    "-" * 200,
    "organisation/" + "a-very-long-name-v2.5-" * 8 + "end",
    "模型" * 30,
    "a b\tc\nd " * 20,
]


def entry_of(*results, place=0, scale=None):
    ratings = rate(results, scale)
    return RatedResult(results[place], ratings[place], "a.json")


def measured(name="org/model", wh=1.5, **change):
    """Ten runs that differ a little, in Wh per 1,000 queries."""
    runs = [make_run(index, joules=3600 * wh * (1 + index % 3 / 100)) for index in range(10)]
    return make_result(name, runs, **change)


def estimated(name="builtin:x", joules=7200.0, **change):
    runs = [make_cpu_run(index, joules=joules * (1 + index / 50)) for index in range(3)]
    return make_result(name, runs, gpu=None, **change)


def texts(svg):
    return [node.text for node in ET.fromstring(svg).iter(f"{SVG}text")]


def full_stars(svg):
    return sum(star.get("fill") == GREEN for star in ET.fromstring(svg).iter(f"{SVG}polygon"))


def faint_stars(svg):
    return sum(star.get("fill") == FAINT for star in ET.fromstring(svg).iter(f"{SVG}polygon"))


def test_a_label_says_all_that_labels_say():
    svg = label.label_svg(entry_of(measured("meta-llama/Llama-3.1-8B", wh=13.0)))
    root = ET.fromstring(svg)
    assert (root.get("width"), root.get("height")) == ("260", "364")
    shown = texts(svg)
    for text in (
        *("meta-llama/Llama-3.1-8B", "Text generation, class A", "January 2026"),
        *("NVIDIA H100 80GB HBM3", "Inference energy, GPU, counter", "13.1"),
        *("Wh per", "1k queries", "3 of 5, scale aienergyscore-2025-02"),
        "huggingface.co/meta-llama/Llama-3.1-8B",
    ):
        assert text in shown
    assert len(list(root.iter(f"{SVG}polygon"))) == 5
    assert full_stars(svg) == 3
    assert {node.get("fill") for node in root.iter(f"{SVG}text")} == {"#313131"}
    title = root.find(f"{SVG}title").text
    assert title == root.get("aria-label")
    for part in ("meta-llama/Llama-3.1-8B", "13.1 Wh per 1,000 queries", "3 of 5 stars"):
        assert part in title


@pytest.mark.parametrize(("wh", "stars"), [(1.5, 5), (7.5, 4), (13.0, 3), (19.0, 2), (28.0, 1)])
def test_as_many_stars_are_full_as_the_rating_has(wh, stars):
    assert full_stars(label.label_svg(entry_of(measured(wh=wh)))) == stars


def test_an_svg_asks_for_nothing_and_clashes_with_nothing():
    svg = label.label_svg(entry_of(measured()))
    for word in ("<style", "<script", "<image", "<use", "href", "url(", "@import", "<a "):
        assert word not in svg
    assert not re.search(r"\b(id|class|style)=", svg)
    assert re.findall(r"https?://[^\s\"<]+", svg.partition("<desc>")[0]) == [
        "http://www.w3.org/2000/svg"
    ]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_everything_stays_within_the_margins(name):
    """Measured by the typeface itself, at 16 times the size so that its pixels do not matter."""
    hardware = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition " * 3
    result = measured(name, gpu=hardware, wh=123456.789, weights="random", quick=True)
    svg = label.label_svg(entry_of(result, measured("other", gpu=hardware, quick=True)))
    for node in ET.fromstring(svg).iter(f"{SVG}text"):
        file = "VeraBd.ttf" if node.get("font-weight") else "Vera.ttf"
        size = float(node.get("font-size"))
        font = ImageFont.truetype(str(_font_folder() / file), size * 16)
        width = font.getlength(node.text) / 16
        left = {
            None: float(node.get("x")),
            "middle": float(node.get("x")) - width / 2,
            "end": float(node.get("x")) - width,
        }[node.get("text-anchor")]
        assert left >= 15.5, node.text
        assert left + width <= 244.5, node.text
        assert size >= 8
        assert 16 <= float(node.get("y")) <= 364 - 16


def test_lines_do_not_cover_each_other():
    entry = entry_of(
        estimated("a" * 90, weights="random", quick=True, invalid=["long " * 80]), place=0
    )
    for svg in (label.label_svg(entry), label.label_svg(entry_of(measured("b" * 90)))):
        lines = sorted(
            (float(node.get("y")), float(node.get("font-size")), float(node.get("x")))
            for node in ET.fromstring(svg).iter(f"{SVG}text")
        )
        for (upper, _, left), (lower, size, other) in itertools.pairwise(lines):
            assert left != other or lower - upper >= size * 0.95


def test_the_widths_are_those_of_the_typeface():
    from reportlab.pdfbase.ttfonts import TTFont

    for bold, file in ((False, "Vera.ttf"), (True, "VeraBd.ttf")):
        face = TTFont(file, str(_font_folder() / file)).face
        for char in [*map(chr, range(32, 127)), "±", "…"]:
            assert text_width(char, 1000, bold=bold) == pytest.approx(
                face.charWidths[ord(char)], abs=1
            )


STEPS = (Step(20, 1), Step(12, 3))


def test_a_text_shrinks_then_wraps_then_loses_its_middle():
    short = fit("gpt2", 228, STEPS)
    assert (short.size_px, short.lines) == (20, ("gpt2",))
    longer = fit("meta-llama/Llama-3.1-8B-Instruct-with-more", 228, STEPS, bold=True)
    assert longer.size_px == 12
    assert len(longer.lines) > 1
    assert "".join(longer.lines) == "meta-llama/Llama-3.1-8B-Instruct-with-more"
    name = "start-" + "middle-" * 40 + "end"
    shortened = fit(name, 228, STEPS, bold=True)
    assert not shortened.whole
    assert len(shortened.lines) == 3
    head, _, tail = "".join(shortened.lines).partition("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert abs(len(head) - len(tail)) <= 1
    assert len(head + tail) > 70


def test_a_long_name_is_whole_in_the_title():
    name = "org/" + "x" * 300
    svg = label.label_svg(entry_of(measured(name)))
    root = ET.fromstring(svg)
    assert name not in "".join(texts(svg))
    assert name in root.find(f"{SVG}title").text
    assert name in root.find(f"{SVG}desc").text


@pytest.mark.parametrize("name", ["<b>&\"'", "a\x00b", "a\u202eb", "a\ud800b", "]]>", "&amp;"])
def test_a_name_breaks_no_svg(name):
    root = ET.fromstring(label.label_svg(entry_of(measured(name))).encode())
    shown = name.replace("\x00", " ").replace("\u202e", " ").replace("\ud800", " ")
    assert f"Energy label of {shown}, " in root.find(f"{SVG}title").text


@pytest.mark.parametrize(
    ("wh", "shown"),
    [(0.000123456, "0.000125"), (1.23e-7, "1.24e-07"), (0.0512, "0.0517"), (1640, "1,655")],
)
def test_small_energies_keep_their_digits(wh, shown):
    """The mean of ten runs is 0.9% above the least."""
    assert shown in texts(label.label_svg(entry_of(measured(wh=wh))))


def test_an_estimate_in_a_cohort_says_both():
    results = [estimated(f"builtin:{place}", 7200.0 * (1 + place)) for place in range(5)]
    svg = label.label_svg(entry_of(*results))
    shown = texts(svg)
    for word in ("estimated", "no GPU energy", "cohort of 5", "5 of 5, in a cohort of 5"):
        assert word in shown
    assert "Inference energy, CPU and RAM, estimated" in shown
    assert full_stars(svg) == 0 and faint_stars(svg) == 5
    title = ET.fromstring(svg).find(f"{SVG}title").text
    assert "CPU and RAM, estimated" in title
    assert "5 of 5 stars (estimated, in a cohort of 5)" in title


@pytest.mark.parametrize(("models", "faint"), [(2, 5), (3, 0)])
def test_stars_among_two_models_are_faint(models, faint):
    gpu = "NVIDIA A100-SXM4-80GB"
    svg = label.label_svg(entry_of(*(measured(f"org/{n}", 1 + n, gpu=gpu) for n in range(models))))
    assert (faint_stars(svg), full_stars(svg)) == (faint, 5 - faint)
    assert f"cohort of {models}" in texts(svg)


def test_official_figures_carry_no_caution():
    shown = texts(label.label_svg(entry_of(measured())))
    for word in ("estimated", "no GPU energy", "random weights", "quick run", "cohort"):
        assert not any(word in text for text in shown)


def test_random_weights_and_quick_runs_are_marked():
    shown = texts(label.label_svg(entry_of(measured(weights="random", quick=True))))
    assert {"random weights", "quick run"} <= set(shown)


def test_a_label_of_a_server_says_its_load():
    entry = entry_of(make_server_result(concurrency=32))
    assert "org/model, Text generation, 32 at once: " in label.label_title(entry)
    assert "32 at once" in " ".join(texts(label.label_svg(entry)))


def test_no_stars_are_not_five_empty_ones():
    svg = label.label_svg(entry_of(estimated()))
    assert not list(ET.fromstring(svg).iter(f"{SVG}polygon"))
    shown = texts(svg)
    assert "No stars" in shown
    assert "at least two comparable models" in " ".join(shown)
    assert "0 of 5" not in svg


def test_an_invalid_result_shows_its_reason_and_no_energy():
    svg = label.label_svg(entry_of(measured(wh=12.0, invalid=["the GPU was shared"])))
    shown = " ".join(texts(svg))
    assert "No stars invalid: the GPU was shared" in shown
    assert "12.1" not in svg
    assert "Wh per" not in svg


def test_what_was_not_measured_is_not_zero():
    svg = label.label_svg(entry_of(make_result(runs=[make_run(joules=None)])))
    shown = texts(svg)
    assert {"not measured", "No stars", "no energy was measured"} <= set(shown)
    assert "0" not in [text for text in shown if not text.startswith("energyscore")]


def test_one_run_has_no_interval():
    result = make_result(runs=[make_run()])
    assert "one run, no interval" in texts(label.label_svg(entry_of(result)))
    assert "± 0.62 % (95 % interval of 10 runs)" in texts(label.label_svg(entry_of(measured())))


def test_the_link_can_be_chosen_or_left_out():
    entry = entry_of(measured())
    assert "example.org/x" in texts(label.label_svg(entry, "https://example.org/x"))
    assert not [text for text in texts(label.label_svg(entry, "")) if "huggingface" in text]


def pixels(entry, zoom=1):
    data = label.label_png(entry, zoom=zoom)
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "PNG"
    return picture


def test_a_png_has_the_size_asked_for_and_green_for_each_star():
    few, many = pixels(entry_of(measured(wh=28.0))), pixels(entry_of(measured(wh=1.5)))
    assert few.size == many.size == (260, 364)
    assert pixels(entry_of(measured()), zoom=3).size == (780, 1092)
    green = (0x1F, 0x8A, 0x3B, 255)
    counts = [sum(pixel == green for pixel in p.get_flattened_data()) for p in (few, many)]
    assert counts[0] > 100
    assert counts[1] == pytest.approx(5 * counts[0], rel=0.03)
    assert many.info["Title"].startswith("Energy label of org/model")


@pytest.mark.parametrize("name", [name for name in NAMES if name.isascii()], ids=lambda n: n[:12])
def test_no_ink_is_in_the_margins_of_a_png(name):
    picture = pixels(entry_of(measured(name, gpu="NVIDIA GPU " * 12))).convert("L")
    for area in ((2, 16, 15, 348), (245, 16, 258, 348), (16, 2, 244, 15), (16, 351, 244, 362)):
        assert picture.crop(area).getextrema()[0] > 200


def test_a_pdf_is_one_page_with_its_link():
    data = label.label_pdf(entry_of(measured()))
    assert data.startswith(b"%PDF-")
    assert re.search(rb"/MediaBox \[ 0 0 195 273 \]", data)
    assert data.count(b"/Type /Page\n") == 1
    assert b"https://huggingface.co/org/model" in data


def test_the_same_result_gives_the_same_bytes():
    """Two processes with other hash seeds; the time of writing is in none of them."""
    code = (
        "import hashlib, sys\n"
        "from test_label import label, entry_of, measured\n"
        "e = entry_of(measured())\n"
        "for d in (label.label_svg(e).encode(), label.label_png(e, zoom=2), label.label_pdf(e)):\n"
        "    print(hashlib.sha256(d).hexdigest())"
    )

    from support.commands import ROOT, python

    outputs = set()
    for seed in ("1", "2"):
        folders = (ROOT, ROOT / "tests", ROOT / "tests/publish")
        path = {"PYTHONPATH": ":".join(map(str, folders)), "PYTHONHASHSEED": seed}
        done = python(code, path)
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 3
    assert b"(D:20000101" in label.label_pdf(entry_of(measured()))


@pytest.mark.parametrize("library", ["reportlab", "resvg_py", "PIL"])
def test_without_a_library_svg_still_works_and_png_says_what_to_do(monkeypatch, library):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    svg_print._characters.cache_clear()
    entry = entry_of(measured())
    assert label.label_svg(entry)
    for draw in (label.label_png, label.label_pdf):
        with pytest.raises(MissingPackage, match=f"PNG or PDF .* needs {library}") as caught:
            draw(entry)
        package = "pillow" if library == "PIL" else "'energyscore[label]'"
        assert caught.value.remedy == f"Install it: pip install {package}"


def test_characters_without_a_glyph_are_refused_and_not_drawn_as_boxes():
    entry = entry_of(measured("模型"))
    for draw in (label.label_png, label.label_pdf):
        with pytest.raises(UsageError, match=r"no '型', '模'.*Write an SVG"):
            draw(entry)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with three models on one processor, and an invalid one."""
    folder = tmp_path_factory.mktemp("labels") / "results"
    folder.mkdir()
    for place, name in enumerate(("m/small", "m/middle", "m/large")):
        result = estimated(name, 7200.0 * (1 + place), identity=f"{place}" * 64)
        (folder / f"{place}.json").write_text(result_to_json(result))
    invalid = estimated("m/invalid", invalid=["it was stopped"], identity="9" * 64)
    (folder / "invalid.json").write_text(result_to_json(invalid))
    return folder


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_the_command_writes_each_form(results, tmp_path, form):
    out = tmp_path / f"new/label.{form}"
    done = energyscore("label", results, "--model", "m/middle", "-o", out)
    assert done.status == 0, done.stderr
    assert "m/middle" in done.stdout
    assert "3 of 5 stars (estimated, in a cohort of 3)" in done.stdout
    assert out.read_bytes()[:4] in (b"<svg", b"\x89PNG", b"%PDF")
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_without_a_file_the_svg_goes_to_stdout(results):
    done = energyscore("label", results, "--model", "m/small")
    assert faint_stars(done.stdout) == 5


def test_one_file_alone_has_no_stars_and_among_others_it_has(results):
    alone = energyscore("label", results / "2.json")
    assert "No stars" in texts(alone.stdout)
    among = energyscore("label", results / "2.json", "--among", results)
    assert faint_stars(among.stdout) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["."], 2, "m/small text_generation"),
        ([".", "--model", "m/smal"], 2, "Did you mean 'm/small'"),
        ([".", "--model", "m/small", "--task", "asr"], 2, "text_generation"),
        ([".", "--model", "m/invalid"], 3, "it was stopped"),
        (["0.json", "-o", "label.svgz"], 2, "Did you mean 'svg'"),
        (["0.json", "-o", "label"], 2, "pdf, png, svg"),
        (["0.json", "-o", "label.svg", "--zoom", "2"], 2, "--zoom is for PNG"),
        (["nowhere"], 2, "does not exist"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(results, arguments, status, words):
    before = sorted(results.iterdir())
    done = energyscore("label", *arguments, cwd=results)
    assert done.status == status, done.stderr
    assert words in done.error
    assert done.stdout == ""
    assert sorted(results.iterdir()) == before
