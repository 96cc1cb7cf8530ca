import io
import json
import resource

import numpy as np
import pandas as pd
import pyarrow
import pytest
import soundfile
from pyarrow import parquet

from energyscore.base.errors import DatasetError
from energyscore.protocol.selection import BUNDLED, Selection
from energyscore.protocol.task import Dataset, TaskFile, load_tasks
from energyscore.protocol.workload import load_workload

TASK = load_tasks()["text_generation"]
PAIRS = load_tasks()["sentence_similarity"]


def test_bundled_queries_hold_the_fields_of_the_task_only():
    workload = load_workload(PAIRS, BUNDLED, 5)
    assert [set(query) for query in workload.queries] == [{"sentence1", "sentence2"}] * 5
    assert (workload.revision, workload.official, workload.wanted) == (None, False, 5)


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_the_same_rows_from_any_kind_of_file_are_the_same_work(tmp_path, kind):
    rows = [{"text": "NA", "id": 1}, {"text": "Zwei, drei", "id": 2}, {"text": "007", "id": 3}]
    file = tmp_path / f"data.{kind}"
    if kind == "csv":
        pd.DataFrame(rows).to_csv(file, index=False)
    elif kind == "parquet":
        pd.DataFrame(rows).to_parquet(file)
    elif kind == "json":
        file.write_text(json.dumps(rows))
    else:
        file.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    workload = load_workload(TASK, str(file), 1000)
    assert [query["text"] for query in workload.queries] == ["NA", "Zwei, drei", "007"]
    assert workload.fingerprint == load_workload(TASK, str(file), 3).fingerprint
    assert workload.fingerprint != load_workload(TASK, str(file), 2).fingerprint


def test_a_folder_written_by_save_to_disk_loads(tmp_path):
    import datasets

    datasets.Dataset.from_dict({"text": ["one", "two"]}).save_to_disk(tmp_path / "saved")
    workload = load_workload(TASK, str(tmp_path / "saved"), 10)
    assert [query["text"] for query in workload.queries] == ["one", "two"]


def test_no_progress_of_the_library_is_shown_where_there_is_no_terminal(
    tmp_path, monkeypatch, capfd
):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.enable_progress_bars()
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "rows.csv").write_text("text\nhello\n")
    assert len(load_workload(TASK, str(folder), 10).queries) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("txt\nhello\n", "no column 'text'; its columns are: txt. The task text_generation"),
        ("txt\nhello\n", "expects: text. Rename 'txt' to 'text', or name"),
        ("txt\nhello\n", "name it: --columns text=txt."),
        (
            "model,task\na,b\n",
            "its columns are: model, task. The task text_generation expects: text.",
        ),
        ("text\n", "is empty"),
        ("", "is empty: a CSV begins with a line of column names"),
        ("text\nyes, it is\n", "row 1 has 2 fields, the header has 1"),
        ("text,more\nalone\n", "row 1 has 1 fields, the header has 2"),
        ('text\n"never closed\n', "cannot be read as csv"),
        ('text\n"   "\n', "All 1 rows of the dataset"),
        ('text\n"   "\n', "are empty: "),
        ("text,id,text\nthree,1,four\n", "data.csv, line 1: the column 'text' occurs twice"),
    ],
)
def test_a_dataset_that_does_not_fit_says_where(tmp_path, content, said):
    file = tmp_path / "data.csv"
    file.write_text(content)
    with pytest.raises(DatasetError) as caught:
        load_workload(TASK, str(file), 10)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": ', "line 2 is not valid JSON"),
        ("a.jsonl", '["text"]\n', "line 1 is not a JSON object"),
        ("a.json", '{"text": 3}', "row 1: the column 'text' holds no text"),
        ("a.json", '{"text": "a", "text": "b"}', "a.json, line 1: duplicate key 'text'"),
        (
            "a.json",
            '[\n {"text": "a"},\n {"text": "b",\n  "text": "c"}]',
            "a.json, line 3: duplicate key 'text'",
        ),
        (
            "a.jsonl",
            '{"text": "a"}\n{"text": "b", "text": "c"}\n',
            "a.jsonl, line 2: duplicate key 'text'",
        ),
        ("a.jsonl", '{"text": {"path": "b", "path": "c"}}', "line 1: duplicate key 'path'"),
        ("a.parquet", "no parquet", "cannot be read as parquet"),
        ("a.txt", "hello", "files of the kind .txt are not read"),
        ("a.jsonl", b"\xff\xfe\x00", "a.jsonl is no text in UTF-8"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path, name, content, said):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError) as caught:
        load_workload(TASK, str(file), 10)
    assert said in str(caught.value)


def test_a_parquet_file_with_two_columns_of_one_name_is_refused(tmp_path):
    file = tmp_path / "twice.parquet"
    columns = [pyarrow.array(["a"]), pyarrow.array(["b"])]
    parquet.write_table(pyarrow.Table.from_arrays(columns, ["text", "text"]), file)
    with pytest.raises(DatasetError, match=r"twice\.parquet: the column 'text' occurs twice"):
        load_workload(TASK, str(file), 10)


def test_columns_of_a_parquet_file_that_are_not_needed_are_not_read(tmp_path):
    """Times may lie beyond what Python's calendar holds."""
    when = pyarrow.array([2**62], pyarrow.timestamp("us"))
    parquet.write_table(pyarrow.table({"text": ["a"], "when": when}), tmp_path / "fine.parquet")
    assert load_workload(TASK, str(tmp_path / "fine.parquet"), 1).queries == ({"text": "a"},)
    parquet.write_table(pyarrow.table({"prose": ["a"], "when": when}), tmp_path / "other.parquet")
    with pytest.raises(DatasetError, match="no column 'text'; its columns are: prose, when"):
        load_workload(TASK, str(tmp_path / "other.parquet"), 1)
    parquet.write_table(pyarrow.table({"text": when}), tmp_path / "times.parquet")
    with pytest.raises(DatasetError, match="cannot be read as parquet: date value out of range"):
        load_workload(TASK, str(tmp_path / "times.parquet"), 1)


def test_a_parquet_file_is_read_no_further_than_the_queries_need(tmp_path):
    """Ten million rows are 50 kB of file, and would be gigabytes of texts."""
    file = tmp_path / "huge.parquet"
    rows = 1_000_000
    texts = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array(np.zeros(rows, np.int32)), pyarrow.array(["the same " * 500])
    )
    table = pyarrow.table({"text": texts, "more": texts})
    with parquet.ParquetWriter(file, table.schema) as writer:
        for _ in range(10):
            writer.write_table(table)
    assert file.stat().st_size < 10**6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    workload = load_workload(TASK, str(file), 100)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(workload.queries) == 100
    assert grown_kb < 200_000


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_empty_rows_are_left_out_and_the_next_ones_taken(tmp_path, kind):
    """As the official harness does: it filters, and then takes the first rows."""
    texts = ["one", "", "two", "  \n", "three", "", "four"]
    file = tmp_path / f"data.{kind}"
    rows = pd.DataFrame({"text": texts if kind == "csv" else [*texts[:5], None, "four"]})
    {
        "csv": lambda: rows.to_csv(file, index=False),
        "parquet": lambda: rows.to_parquet(file),
        "json": lambda: rows.to_json(file, orient="records"),
        "jsonl": lambda: rows.to_json(file, orient="records", lines=True),
    }[kind]()
    workload = load_workload(TASK, str(file), 3)
    assert [query["text"] for query in workload.queries] == ["one", "two", "three"]
    assert workload.empty_rows == (2, 4)
    whole = load_workload(TASK, str(file), 10)
    assert (len(whole.queries), whole.empty_rows) == (4, (2, 4, 6))
    plain = tmp_path / "plain.csv"
    plain.write_text("text\none\ntwo\nthree\n")
    assert workload.fingerprint == load_workload(TASK, str(plain), 3).fingerprint
    with pytest.raises(DatasetError, match=r"row 2: the column 'text' is empty.*without --strict"):
        load_workload(TASK, str(file), 3, strict=True)


def test_a_row_is_empty_where_one_of_its_fields_is(tmp_path):
    file = tmp_path / "pairs.jsonl"
    rows = [{"sentence1": "a", "sentence2": None}, {"sentence1": "a", "sentence2": "b"}]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert load_workload(PAIRS, str(file), 9).empty_rows == (1,)
    pictures = tmp_path / "pictures.jsonl"
    (tmp_path / "a.png").write_bytes(b"first")
    cells = ["", None, {"bytes": None, "path": None}, "a.png"]
    pictures.write_text("\n".join(json.dumps({"img": c, "caption": "x"}) for c in cells))
    workload = load_workload(picture_task(tmp_path), str(pictures), 9)
    assert (len(workload.queries), workload.empty_rows) == (1, (1, 2, 3))


def test_columns_can_be_named(tmp_path):
    file = tmp_path / "data.csv"
    file.write_text("text,prompt\na,b\n")
    chosen = load_workload(TASK, str(file), 1, Selection(columns={"text": "prompt"}))
    assert chosen.queries == ({"text": "b"},)
    assert load_workload(TASK, str(file), 1).queries == ({"text": "a"},)
    with pytest.raises(DatasetError, match=r"has no column 'promt'.*--columns text=prompt"):
        load_workload(TASK, str(file), 1, Selection(columns={"text": "promt"}))
    with pytest.raises(DatasetError, match=r"has no field 'txt'. Did you mean 'text'"):
        load_workload(TASK, str(file), 1, Selection(columns={"txt": "prompt"}))


@pytest.mark.parametrize(
    ("selection", "own"),
    [
        (Selection(), True),
        (Selection(split=TASK.spec.dataset.split), True),
        (Selection(columns=TASK.spec.dataset.columns), True),
        (Selection(split="another"), False),
        (Selection(config="default"), False),
        (Selection(columns={"text": "prompt"}), False),
    ],
)
def test_another_part_of_the_official_dataset_is_not_official(selection, own):
    assert selection.differs_from(TASK.spec) != own


@pytest.mark.parametrize("selection", [Selection(split="test"), Selection(config="test")])
def test_files_have_neither_splits_nor_configurations(tmp_path, selection):
    with pytest.raises(DatasetError, match=r"(--split|--dataset-config) test: the file .* none"):
        load_workload(TASK, BUNDLED, 1, selection)


def saved(folder, **splits):
    """A dataset as `save_to_disk` writes it."""
    import datasets

    found = {name: datasets.Dataset.from_dict({"text": texts}) for name, texts in splits.items()}
    datasets.DatasetDict(found).save_to_disk(folder)
    return str(folder)


def test_an_empty_split_is_not_replaced_by_another(tmp_path):
    path = saved(tmp_path / "saved", test=["a", "b", "c"], train=[])
    with pytest.raises(DatasetError) as caught:
        load_workload(TASK, path, 9)
    assert "The split 'train' of" in str(caught.value)
    assert "is empty; its splits are: test (3 rows), train (0 rows)." in str(caught.value)
    assert len(load_workload(TASK, path, 9, Selection(split="test")).queries) == 3
    with pytest.raises(DatasetError, match=r"no split 'tests', only test, train. Did.*'test'"):
        load_workload(TASK, path, 9, Selection(split="tests"))
    alone = saved(tmp_path / "alone", validation=["a"])
    assert len(load_workload(TASK, alone, 9).queries) == 1, "the only one there is"
    with pytest.raises(DatasetError, match="no split 'train', only validation"):
        load_workload(TASK, alone, 9, Selection(split="train"))
    none = saved(tmp_path / "none", train=[])
    with pytest.raises(DatasetError, match="is empty"):
        load_workload(TASK, none, 9)


def breakages():
    """What may be wrong with the folder of a saved dataset, by name."""
    arrow, state, info = "data-00000-of-00001.arrow", "state.json", "dataset_info.json"
    contents = {"nothing": b"", "half": None, "a list": b"[]", "an object": b"{}", "bytes": b"\xff"}
    found = {"no splits named": ("../dataset_dict.json", b'{"splits": []}')}
    for name in (arrow, state, info, "../dataset_dict.json"):
        found |= {f"{name}: {what}": (name, content) for what, content in contents.items()}
        found[f"{name}: missing"] = (name, "missing")
    return found


@pytest.mark.parametrize("place", breakages())
def test_a_broken_saved_dataset_is_refused_in_one_line(tmp_path, place):
    path = saved(tmp_path / "saved", train=["a", "b", "c"] * 20, test=["d"])
    name, content = breakages()[place]
    file = tmp_path / "saved" / "train" / name
    if content == "missing":
        file.unlink()
    else:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    try:
        workload = load_workload(TASK, path, 100)
    except DatasetError as error:
        assert str(tmp_path) in str(error)
        assert "\n" not in str(error)
    else:
        assert len(workload.queries) == 60, "what is broken was not needed"


@pytest.fixture
def folder_of(tmp_path, monkeypatch):
    """Make a folder with files in it, in the order in which they are given."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def make(files):
        folder = tmp_path / f"data-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
        return str(folder)

    return make


FOLDERS = {
    "a script": (
        {"data-0.py": "", "a.csv": "text\nx\n"},
        "no longer supported, but found data-0.py",
    ),
    "YAML": (
        {"README.md": "---\nconfigs: [\n---\n", "a.csv": "text\nx\n"},
        "expected the node content, but found '<stream end>'",
    ),
    "a key twice": (
        {"a.json": '[{"text": "a"},\n{"text": "b", "text": "c"}]'},
        "a.json, line 2: dup",
    ),
    "a key twice in a line": (
        {"a.jsonl": '{"text": "a", "text": "b"}\n'},
        "specified twice in row 0",
    ),
    "a column twice": (
        {"a.csv": "text,text\na,b\n"},
        "a.csv, line 1: the column 'text' occurs twice",
    ),
    "other columns": (
        {"a.csv": "text,b\nx,1\n", "b.csv": "text\nx\n"},
        "different columns: text, b; ",
    ),
}


@pytest.mark.parametrize(("files", "said"), FOLDERS.values(), ids=FOLDERS)
def test_what_is_wrong_with_a_folder_of_files_is_one_line(folder_of, files, said):
    with pytest.raises(DatasetError) as caught:
        load_workload(TASK, folder_of(files), 9)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_words_for_missing_are_words_in_the_csv_of_a_folder_too(folder_of, ending):
    words = ["NA", "null", "None", "nan", "1", "x"]
    path = folder_of({f"a.{ending}": "\n".join(["text", *words]) + "\n"})
    workload = load_workload(TASK, path, 9)
    assert [query["text"] for query in workload.queries] == words
    assert workload.empty_rows == ()
    pd.DataFrame({"text": words}).to_csv(f"{path}.csv", index=False)
    assert load_workload(TASK, f"{path}.csv", 9).fingerprint == workload.fingerprint


def test_the_splits_of_csv_files_are_told_apart(folder_of):
    path = folder_of({"train.csv": "text\n", "test.csv": "text\na\nb\n"})
    with pytest.raises(DatasetError, match=r"'train' .* is empty; .* train \(0 rows\), test \(2 "):
        load_workload(TASK, path, 9)
    assert len(load_workload(TASK, path, 9, Selection(split="test")).queries) == 2
    tabs = "---\nconfigs:\n- config_name: a\n  data_files: a.csv\n  sep: ;\n---\n"
    path = folder_of({"README.md": tabs, "a.csv": "text;b\nWell, so;1\n"})
    assert load_workload(TASK, path, 9).queries == ({"text": "Well, so"},)


def test_a_missing_file_is_not_asked_of_the_hub():
    with pytest.raises(DatasetError, match="there is no such file"):
        load_workload(TASK, "missing.csv", 10)


def test_the_hub_out_of_reach_is_said_at_once():
    with pytest.raises(DatasetError, match="needs the hub, which cannot be reached"):
        load_workload(TASK, "official", 10)


def test_each_repeat_has_its_own_order_and_always_the_same():
    workload = load_workload(TASK, BUNDLED, 100)
    assert workload.shuffled(1) == workload.shuffled(1) != workload.shuffled(2)
    key = str
    assert sorted(workload.shuffled(1), key=key) == sorted(workload.queries, key=key)


def picture_task(tmp_path):
    """A task of images with a text beside each."""
    spec = load_tasks()["text_classification"].spec
    dataset = Dataset(
        id="org/pictures", columns={"image": "img", "text": "caption"}, kinds={"image": "image"}
    )
    return TaskFile(spec.model_copy(update={"dataset": dataset}), tmp_path / "pictures.yaml")


def test_images_are_the_bytes_of_the_files_that_a_table_names(tmp_path):
    (tmp_path / "a.png").write_bytes(b"first")
    (tmp_path / "b.png").write_bytes(b"second")
    file = tmp_path / "pictures.csv"
    file.write_text("img,caption\na.png,one\nb.png,two\n")
    workload = load_workload(picture_task(tmp_path), str(file), 10)
    assert [query["image"] for query in workload.queries] == [b"first", b"second"]
    assert [query["text"] for query in workload.queries] == ["one", "two"]
    before = workload.fingerprint
    (tmp_path / "b.png").write_bytes(b"other")
    assert load_workload(picture_task(tmp_path), str(file), 10).fingerprint != before


@pytest.mark.parametrize("cell", ["nowhere.png", "../a\0b"])
def test_a_cell_that_names_no_file_is_said_with_its_row(tmp_path, cell):
    file = tmp_path / "pictures.jsonl"
    file.write_text(json.dumps({"img": cell, "caption": "one"}) + "\n")
    with pytest.raises(DatasetError, match=r"row 1: the column 'img' names"):
        load_workload(picture_task(tmp_path), str(file), 1)


def test_images_of_a_saved_dataset_are_not_decoded(tmp_path):
    import datasets

    features = datasets.Features({"img": datasets.Image(), "caption": datasets.Value("string")})
    rows = {"img": [{"bytes": b"not decoded", "path": None}], "caption": ["one"]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    workload = load_workload(picture_task(tmp_path), str(tmp_path / "saved"), 1)
    assert workload.queries[0]["image"] == b"not decoded"


ASR = load_tasks()["asr"]
SPEECH = 0.1 * np.sin(np.arange(5 * 16_000) / 7)


def encoded(**kind):
    file = io.BytesIO()
    soundfile.write(file, SPEECH, 16_000, **kind)
    return file.getvalue()


WAV = encoded(format="WAV")
FLAC = encoded(format="FLAC")
HEADER = len(WAV) - 2 * len(SPEECH)


def spoken(folder, content):
    """A dataset of a sound recording and that one."""
    (folder / "whole.wav").write_bytes(WAV)
    (folder / "second.bin").write_bytes(content)
    rows = ("whole.wav", "second.bin")
    file = folder / "speech.jsonl"
    file.write_text("\n".join(json.dumps({"audio": name}) for name in rows))
    return load_workload(ASR, str(file), 10)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WAV[:90_000], f"160,000 bytes of sound, and it holds {90_000 - HEADER:,}"),
        (WAV[:-1], "160,000 bytes of sound, and it holds 159,999"),
        (WAV[:HEADER], "160,000 bytes of sound, and it holds 0"),
        (encoded(format="WAV", endian="BIG")[:90_000], "160,000 bytes of sound"),
        (FLAC[: len(FLAC) // 2], "cut off or damaged"),
        (FLAC[:-1], "cut off or damaged"),
        (FLAC[: len(FLAC) // 2] + bytes(4000) + FLAC[len(FLAC) // 2 + 4000 :], "damaged"),
        (FLAC[:21] + b"\xf0" + bytes(4) + FLAC[26:], "how long it is"),
        (b"no recording", "cannot be read"),
    ],
    ids=[
        *("cut", "one byte", "no sound", "big endian", "flac", "flac by one byte", "damaged"),
        *("no length", "text"),
    ],
)
def test_a_recording_that_is_not_whole_is_refused_by_its_row_and_file(tmp_path, content, said):
    with pytest.raises(DatasetError) as caught:
        spoken(tmp_path, content)
    assert "row 2: the column 'audio': the recording (second.bin) " in caught.value.message
    assert said in caught.value.message
    assert "remove the row" in caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "content",
    [
        *(encoded(format=name) for name in ("WAV", "FLAC", "OGG", "MP3", "RF64", "AIFF")),
        encoded(format="WAV", subtype="FLOAT"),
        encoded(format="WAV", endian="BIG"),
        WAV + b"LIST" + (4).to_bytes(4, "little") + b"INFO",
        WAV[: HEADER - 4] + b"\xff" * 4 + WAV[HEADER:],  # as written to a pipe
    ],
    ids=["wav", "flac", "ogg", "mp3", "rf64", "aiff", "float", "big endian", "chunk", "pipe"],
)
def test_whole_recordings_are_taken(tmp_path, content):
    assert [query["audio"] for query in spoken(tmp_path, content).queries] == [WAV, content]


def test_rows_of_a_folder_name_files_in_it(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"inside")
    (folder / "table.jsonl").write_text('{"img": "a.png", "caption": "one"}\n')
    workload = load_workload(picture_task(tmp_path), str(folder), 1)
    assert workload.queries[0]["image"] == b"inside"
