import pytest
import yaml

from energyscore.base.yaml_text import YamlError, read_yaml, write_yaml


def test_only_true_and_false_are_booleans():
    """In YAML 1.1 Norway is false."""
    words = ["on", "off", "yes", "NO", "y"]
    assert read_yaml(f"country: NO\nmodes: [{', '.join(words)}]\nquick: true").content == {
        "country": "NO", "modes": words, "quick": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3", 3, 'found duplicate key "a"'),
        ("a:\n  b: {c: 1,\n    c: 2}", 3, 'found duplicate key "c"'),
        ("a: &a {b: 1}\nc:\n  <<: *a\n  <<: *a", 4, 'key "<<"'),
        ("a: 1\nb: [", 2, "expected the node content, but found '<stream end>'"),
        ("a: 1\n--- 2", 2, "expected a single document in the stream, but found another document"),
        ("a: !!python/object:os.system x", 1, "could not determine a constructor"),
        ("a: !!int x", None, "invalid literal"),
        ("a: 2024-99-99", None, "month must be in 1..12"),
        ("[" * 1000, None, "recursion"),
    ],
)
def test_a_problem_is_told_with_its_line(text, line, problem):
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert caught.value.line == line
    assert problem in caught.value.problem


def test_a_path_leads_to_its_line_as_far_as_it_goes():
    read = read_yaml("a: 1\nb:\n  - c: 1\n    d: 2\n  - e\n")
    places = {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 0, "d"): 4, ("b", 1): 5, ("b", 0, "x"): 3}
    assert {path: read.line(path) for path in places} == places
    assert read.line(("none",)) == read.line(()) == 1


def test_names_of_values_may_be_used_again(recwarn):
    assert read_yaml("a: &x 1\nb: &x 2\nc: *x").content == {"a": 1, "b": 2, "c": 2}
    assert not recwarn


@pytest.mark.parametrize(
    "value",
    ["no", "y", "1e3", "1:30", "a: b # c", "---", "'\"", "a\nb", "", " a ", "\x1b\x85", "~",
     "2024-01-02", 1.5, 1e-7, True, None, 3, [], {}, ["x", {"y": "long " * 40}]],
)  # fmt: skip
def test_what_is_written_reads_the_same_by_yaml_1_1_and_1_2(value):
    content = {"z": value, "a": [value]}
    text = write_yaml(content)
    assert text.startswith("z:")
    assert repr(read_yaml(text).content) == repr(yaml.safe_load(text)) == repr(content)
