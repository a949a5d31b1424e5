"""Files that are broken, endless, ambiguous or too large: each ends in one line that names the place."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import threading
import zipfile
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data import table_source
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.group_names import protected_groups
from fairmend.core.data.groups import GroupEncoder, Groups, crossed, encode_groups
from fairmend.core.data.roles import Roles
from fairmend.core.data.table_reading import GAPS, exact_columns, read_table
from fairmend.core.errors import DataError, UsageError
from fairmend.core.metrics.evaluation_tables import views
from fairmend.core.text.words import skeleton

N = 200


def people(**changes: object) -> pd.DataFrame:
    """A sound table, with some columns changed."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sex": np.repeat(["F", "M"], N // 2),
            "pay": rng.normal(50, 10, N).round(1),
            "years": rng.integers(0, 30, N),
            "y": np.tile([0, 1], N // 2),
        }
    )
    return frame.assign(**changes)


def csv(frame: pd.DataFrame | None = None) -> bytes:
    return (people() if frame is None else frame).to_csv(index=False).encode()


def parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out)
    return out.getvalue()


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, csv())
    return out.getvalue()


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        about = tarfile.TarInfo("data.csv")
        about.size = len(csv())
        archive.addfile(about, io.BytesIO(csv()))
    return out.getvalue()


def alternate(*values: object) -> list[object]:
    return [values[i % len(values)] for i in range(N)]


LINE = b"F,50.0,3,1\n"
NOISE = np.random.default_rng(0).bytes(3000)

# case: name of the file, its content, pattern of the error
FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "is empty"),
    "blank lines alone": ("a.csv", b"\n\n \n", "no rows"),
    "header alone": ("a.csv", b"sex,pay,years,y\n", "no rows"),
    "binary data": ("a.csv", NOISE, "not a readable table"),
    "NUL in the header": ("a.csv", b"se\x00x,pay,years,y\n" + LINE, "binary data"),
    "a name twice": ("a.csv", b"sex,pay,sex,y\n" + LINE, "must be unique; repeated: sex"),
    "a name twice but for spaces": ("a.csv", b"sex,pay, sex ,y\n" + LINE, "repeated: sex"),
    "a name twice after a byte order mark": ("a.csv", b"\xef\xbb\xbfsex,pay,sex,y\n" + LINE, "repeated: sex"),
    "a field too many in every row": ("a.csv", b"sex,pay,y\n" + LINE * 5, "line 2 of a.csv has 4 fields, the header has 3"),
    "a field too many in one row": ("a.csv", b"sex,pay,years,y\n" + LINE * 3 + b"F,1,2,3,4\n", "line 5 .* has 5 fields"),
    "a field too few": ("a.csv", b"sex,pay,years,y\n" + LINE * 3 + b"F,1\n", "line 5 .* has 2 fields, the header has 4"),
    "a field too few after a text of two lines": ("a.csv", b'sex,pay,years,y\n"F\nG",1,2,1\nF,1\n', "line 4 .* has 2"),
    "a quotation that never ends": ("a.csv", b'sex,pay,years,y\n"F,1,2,1\n' + LINE, "line 3 .* has 1 field,"),
    "a name of 600 characters": ("a.csv", b"s" * 600 + b",pay,years,y\n" + LINE, "column 1 has 600 characters"),
    "a header of one long cell": ("a.csv", b"x" * 200_000, "200,000 characters"),
    "Latin-1": ("a.csv", csv() + "é,1,2,1\n".encode("latin-1"), "line 202 is not UTF-8 .byte 0xe9 at place 1."),
    "Latin-1 in the header": ("a.csv", "sexé,y\n".encode("latin-1") + LINE, "line 1 is not UTF-8"),
    "UTF-16": ("a.csv", csv().decode().encode("utf-16"), "is UTF-16"),
    "gzip that is none": ("a.csv.gz", csv(), "content is not in that format"),
    "gzip cut off": ("a.csv.gz", gzip.compress(csv())[:-40], "truncated or damaged"),
    "gzip cut off in its head": ("a.csv.gz", gzip.compress(csv())[:6], "truncated or damaged"),
    "gzip with a changed byte": ("a.csv.gz", gzip.compress(csv())[:200] + b"\xff\xff" + gzip.compress(csv())[202:], "damaged"),
    "gzip with rubbish behind": ("a.csv.gz", gzip.compress(csv()) + b"rubbish", "damaged"),
    "bzip2 that is none": ("a.csv.bz2", csv(), "content is not in that format"),
    "bzip2 cut off": ("a.csv.bz2", bz2.compress(csv())[:-9], "truncated or damaged"),
    "xz that is none": ("a.csv.xz", csv(), "content is not in that format"),
    "xz cut off": ("a.csv.xz", lzma.compress(csv())[:-30], "truncated or damaged"),
    "zst that is none": ("a.csv.zst", csv(), "content is not in that format"),
    "zst cut off": ("a.csv.zst", b"\x28\xb5\x2f\xfd" + NOISE[:50], "damaged"),
    "zip that is none": ("a.zip", csv(), "content is not in that format"),
    "zip cut off": ("a.zip", zipped("a.csv")[:-30], "truncated or damaged"),
    "zip of several": ("a.zip", zipped("a.csv", "b.csv"), "holds 2 files"),
    "zip of none": ("a.zip", zipped("a/"), "holds 0 files"),
    "tar": ("a.tar", tar(), "is a tar archive"),
    "tar that is none": ("a.tar", csv(), "is a tar archive"),
    "tar in gzip": ("a.tar.gz", gzip.compress(tar()), "not a readable table|tar"),
    "Parquet that is none": ("a.parquet", csv(), "not a readable table"),
    "Parquet cut off": ("a.parquet", parquet(people())[:-20], "not a readable table"),
    "Parquet without a middle": ("a.parquet", b"PAR1" + NOISE + b"PAR1", "not a readable table"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_table_is_refused(refused, arena, case):
    name, content, pattern = FILES[case]
    (arena / name).write_bytes(content)
    refused(
        "audit",
        name,
        "--outcome",
        "y",
        "--protected",
        "sex",
        "-o",
        "out.json",
        "--json",
        match=pattern,
        code=1,
    )


def numbers(size: float) -> pd.DataFrame:
    return people(pay=[size] * 3 + [1.0] * (N - 3))


def listed(value: object) -> bytes:
    return parquet(people(pay=[value] * N))


# case: name of the file, its content, more options, pattern of the error
TABLES: dict[str, tuple[str, bytes, list[str], str]] = {
    "values whose squares overflow": ("a.csv", csv(numbers(1e308)), [], "'pay' holds a value of size 1e\\+308"),
    "values that overflow": ("a.csv", csv(people()) + b"F,1e400,1,1\n", [], "infinite"),
    "no feature has a value": ("a.csv", csv(people(pay=None, years=None)), [], "all feature columns are empty"),
    "weights all zero": ("a.csv", csv(people(w=0)), ["--weights", "w"], "not all zero"),
    "weights of 1e300": ("a.csv", csv(people(w=1e300)), ["--weights", "w"], "must be 0 or lie between"),
    "weights of 1e-300": ("a.csv", csv(people(w=1e-300)), ["--weights", "w"], "must be 0 or lie between"),
    "a weight of 1e90": ("a.csv", csv(people(w=[1e90] + [1] * (N - 1))), ["--weights", "w"], "must be 0 or lie"),
    "weights below zero": ("a.csv", csv(people(w=-1)), ["--weights", "w"], "not negative"),
    "weights that are texts": ("a.csv", csv(people(w="x")), ["--weights", "w"], "not numbers"),
    "a key that repeats": ("a.csv", csv(people(id=alternate(1, 2))), ["--row-id", "id"], "must identify each row"),
    "cuts of a text": ("a.csv", csv(), ["--bins", "sex=1"], "not a number: it holds 'F'"),
    "outcome of three spellings": ("a.csv", csv(people(y=alternate(">50K", "<=50K", ">50K."))), ["--favorable", ">50K"], r"has 3 values, two are needed: .*'>50K\.' \(66 rows\)"),
    "outcome in two cases": ("a.csv", csv(people(y=alternate("yes", "no", "Yes"))), ["--favorable", "yes"], "has 3 values"),
    "outcome with NA": ("a.csv", csv(people(y=alternate("yes", "no", "NA"))), ["--favorable", "yes"], "'NA' .66 rows."),
    "outcome with many values": ("a.csv", csv(people(y=range(N))), ["--favorable", "1"], "has 200 values, .* and more"),
    "outcome that is blank": ("a.csv", csv(people(y=alternate("yes", "no", None))), ["--favorable", "yes"], "missing in 66"),
    "outcome of lists": ("a.parquet", parquet(people(y=[[1]] * N)), [], "'y' holds values of type ndarray"),
    "protected lists": ("a.parquet", parquet(people(sex=[["F"]] * N)), [], "'sex' holds values of type ndarray"),
    "protected names too long": ("a.csv", csv(people(sex=alternate("F" * 300, "M"))), [], "300 characters"),
    "one group but for spaces": ("a.csv", csv(people(sex=alternate("F", "F "))), [], "has only one group"),
    "one group but for composition": ("a.csv", csv(people(sex=alternate("\u00e9", "e\u0301"))), [], "has only one group"),
    "lists": ("a.parquet", listed([1, 2]), [], "'pay' holds values of type ndarray"),
    "mappings": ("a.parquet", listed({"a": 1}), [], "'pay' holds values of type dict"),
    "bytes": ("a.parquet", listed(b"x"), [], "'pay' holds values of type bytes"),
    "keys that are lists": ("a.parquet", parquet(people(id=[[i] for i in range(N)])), ["--row-id", "id"], "type ndarray"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_cannot_serve_is_refused(refused, arena, case):
    name, content, options, pattern = TABLES[case]
    (arena / name).write_bytes(content)
    refused("audit", name, "--outcome", "y", "--protected", "sex", "--json", *options, match=pattern, code=1)


AUDIT = ["audit", "jobs.csv", "--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
RUN = ["run", "light.yaml", "--data", "jobs.csv"]
REQUESTS: dict[str, tuple[list[str], str]] = {
    "seed beyond 32 bits": ([*AUDIT, "--seed", "4294967296"], "4294967295"),
    "seed below zero": ([*AUDIT, "--seed", "-1"], "0<=x"),
    "seed of 5,000 digits": ([*AUDIT, "--seed", "9" * 5000], "Invalid value for .--seed"),
    "cuts that are no number": ([*AUDIT, "--bins", "sex=nan"], "--bins expects"),
    "cuts that are infinite": ([*AUDIT, "--bins", "sex=inf"], "--bins expects"),
    "rows beyond memory": (["demo", "--rows", "99999999999"], "5000000"),
    "100,000 folds": ([*RUN, "--cv", "1x100000"], "100,000 times; the maximum is 500"),
    "folds of many digits": ([*RUN, "--cv", "1x" + "9" * 50], "REPETITIONSxFOLDS"),
    "one fold": ([*RUN, "--cv", "5x1"], "REPETITIONSxFOLDS"),
    "jobs below zero": (["sweep", "--data", "jobs.csv", "--outcome", "hired", "--protected", "sex", "--jobs", "-1"], "1<=x"),
    "no jobs": (["sweep", "--data", "jobs.csv", "--outcome", "hired", "--protected", "sex", "--jobs", "0"], "1<=x"),
    "a threshold that is no number": (
        ["run", "--data", "jobs.csv", "--outcome", "hired", "--favorable", "yes", "--protected", "sex", "--scores", "score", "--scores-threshold", "nan"],
        "threshold",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS)
def test_a_number_out_of_range_is_refused(refused, case):
    arguments, pattern = REQUESTS[case]
    refused(*arguments, "--json", match=pattern, code=2)


def test_seeds_and_cuts_of_a_pipeline_are_checked(refused, arena):
    text = (arena / "light.yaml").read_text()
    (arena / "seed.yaml").write_text(text + "seed: 4294967296\n")
    refused("run", "seed.yaml", "--data", "jobs.csv", "--json", match="seed", code=2)
    (arena / "cuts.yaml").write_text(text.replace("mediators: [score]", "cuts: {sex: [.nan]}"))
    refused("run", "cuts.yaml", "--data", "jobs.csv", "--json", match="finite", code=2)


# -- what is no regular file -----------------------------------------------------------------------

PLACES = {
    "a folder": (lambda here: (here / "x.csv").mkdir(), "x.csv", "is a folder"),
    "nothing": (lambda here: None, "x.csv", "there is no file"),
    "a link to nothing": (lambda here: (here / "x.csv").symlink_to("gone.csv"), "x.csv", "there is no file"),
    "links in a circle": (
        lambda here: (here / "x.csv").symlink_to("x.csv"),
        "x.csv",
        "symbolic links|symlink",
    ),
    "a name too long": (lambda here: None, "x" * 5000 + ".csv", "name too long"),
    "a name with NUL": (lambda here: None, "x\x00.csv", "cannot open|not valid UTF-8"),
    "endless zeros": (lambda here: None, "/dev/zero", "is a device"),
    "endless noise": (lambda here: None, "/dev/urandom", "is a device"),
    "nowhere": (lambda here: None, "/dev/null", "is a device"),
    "a pipe without a writer": (
        lambda here: os.mkfifo(here / "x.csv"),
        "x.csv",
        "no data was written to the pipe",
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_what_is_no_file_is_refused(refused, arena, monkeypatch, case):
    monkeypatch.setattr(table_source, "FIFO_SECONDS", 0.05)
    make, name, pattern = PLACES[case]
    make(arena)
    refused("audit", name, "--outcome", "y", "--protected", "sex", "--json", match=pattern)


def test_a_file_that_may_not_be_read_is_refused(monkeypatch, tmp_path):
    (tmp_path / "a.csv").write_bytes(csv())

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", denied)
    with pytest.raises(DataError, match=r"cannot open .*a.csv: Permission denied"):
        read_table(tmp_path / "a.csv")


def written(content: bytes) -> str:
    """Return the path of a pipe without a name into which a thread writes."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as stream:
            stream.write(content)

    threading.Thread(target=write, daemon=True).start()
    return f"/dev/fd/{reader}"


def test_a_pipe_reads_as_a_file_does():
    expected = read_table_of(csv())
    assert read_table(written(csv())).equals(expected)
    assert read_table(written(gzip.compress(csv()))).equals(expected)
    assert read_table(written(parquet(people()))).equals(people())


def read_table_of(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content))


def test_a_named_pipe_with_a_writer_reads_as_a_file_does(tmp_path):
    os.mkfifo(tmp_path / "x.csv")
    threading.Thread(target=(tmp_path / "x.csv").write_bytes, args=(csv(),), daemon=True).start()
    assert len(read_table(tmp_path / "x.csv")) == N


def test_an_endless_pipe_ends(monkeypatch):
    monkeypatch.setenv(table_source.LIMIT, "1")
    with pytest.raises(DataError, match="exceeds 1 MiB"):
        read_table(written(b"a,b\n" + b"1,2\n" * (1 << 19)))
    with pytest.raises(DataError, match="binary data"):
        read_table(written(b"\x00" * 100_000))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(table_source, "SUSPICIOUS_MIB", 1)
    (tmp_path / "a.csv").write_bytes(pack(b"a,b\n" + b"1,2\n" * (1 << 19)))
    with pytest.raises(
        DataError, match=f"bytes packed; if that is meant, allow it with {table_source.LIMIT}"
    ):
        read_table(tmp_path / "a.csv")
    monkeypatch.setenv(table_source.LIMIT, "16")
    assert len(read_table(tmp_path / "a.csv")) == 1 << 19


@pytest.mark.parametrize("limit", ["", "-1", "many", "1e9", "9" * 20, "١"])
def test_a_limit_that_is_no_number_is_refused(tmp_path, monkeypatch, limit):
    monkeypatch.setenv(table_source.LIMIT, limit)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(csv()))
    with pytest.raises(UsageError, match="takes a number of MiB"):
        read_table(tmp_path / "a.csv.gz")


def test_a_parquet_file_of_few_bytes_and_many_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(table_source.LIMIT, "1")
    pd.DataFrame({"a": np.zeros(1 << 18)}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="262,144 rows"):
        read_table(tmp_path / "a.parquet")


@pytest.mark.parametrize("pack", ["csv", "gz", "bz2", "xz", "zip", "zst"])
def test_packed_files_read_alike(tmp_path, pack):
    import pyarrow as pa

    packed = {
        "csv": csv,
        "gz": lambda: gzip.compress(csv()),
        "bz2": lambda: bz2.compress(csv()),
        "xz": lambda: lzma.compress(csv()),
        "zip": lambda: zipped("a.csv"),
        "zst": lambda: pa.Codec("zstd").compress(csv(), asbytes=True),
    }
    (tmp_path / f"a.{pack}").write_bytes(packed[pack]())
    assert read_table(tmp_path / f"a.{pack}", ("sex", "y")).equals(read_table_of(csv()))


# -- values stay apart -----------------------------------------------------------------------------

TEXTS: dict[str, tuple[list[str], list[str]]] = {
    "codes with zeros": (["01", "1", "01"], ["01", "1"]),
    "NA beside a blank": (["NA", "", "x"], ["NA", "missing", "x"]),
    "None, null and nan": (["None", "null", "nan"], ["None", "nan", "null"]),
    "numbers with gaps": (["1", "", "2"], ["1", "2", "missing"]),
    "numbers as pandas writes them with gaps": (["1.0", "", "2.0"], ["1", "2", "missing"]),
    "truth values": (["TRUE", "false", "true"], ["False", "True"]),
    "truth values with gaps": (["True", "", "False"], ["False", "True", "missing"]),
    "long codes": (["12345678901234567", "12345678901234568", ""], ["12345678901234567", "12345678901234568", "missing"]),
    "a sign before a code": (["+1", "1", "1"], ["+1", "1"]),
    "spaces at the ends": (["F ", "F", " M"], ["F", "M"]),
    "two compositions": (["\u00e9", "e\u0301", "x"], ["x", "\u00e9"]),
    "two cases": (["female", "Female", "x"], ["Female", "female", "x"]),
    "hexadecimal": (["0x1", "1", "1"], ["0x1", "1"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_groups_are_those_of_the_file(tmp_path, case):
    texts, expected = TEXTS[case]
    body = "".join(f"{texts[i % 3]},{i},{i % 2}\n" for i in range(120))
    (tmp_path / "a.csv").write_text(f"code,pay,y\n{body}", encoding="utf-8")
    data = Dataset.read(tmp_path / "a.csv", Roles(outcome="y", protected=("code",)))
    assert sorted(data.groups.labels) == sorted(expected)
    assert len(data.groups.labels) == len(expected)


def test_the_outcome_and_the_key_are_read_as_they_stand(tmp_path):
    body = "".join(f"{i:03d},{'FM'[i % 2]},{i},{'NA' if i % 3 else 'no'}\n" for i in range(120))
    (tmp_path / "a.csv").write_text(f"id,sex,pay,y\n{body}")
    roles = Roles(outcome="y", favorable="NA", protected=("sex",), key="id")
    data = Dataset.read(tmp_path / "a.csv", roles)
    assert data.y.sum() == 80
    assert data.key is not None
    assert data.key[:2].tolist() == ["000", "001"]


def test_columns_that_are_read_as_they_stand():
    assert exact_columns({"outcome": "y", "protected": "sex", "key": None}) == ("y", "sex")
    assert exact_columns({"protected": ("a", "b"), "key": "id"}) == ("a", "b", "id")
    assert exact_columns({}) == ()


def test_the_gaps_are_those_of_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(GAPS) == STR_NA_VALUES


def test_features_keep_the_gaps_of_pandas(tmp_path):
    (tmp_path / "a.csv").write_text("sex,pay\nNA,NA\nF,1\n")
    read = read_table(tmp_path / "a.csv", ("sex",))
    assert read["sex"].tolist() == ["NA", "F"]
    assert read["pay"].isna().tolist() == [True, False]


CROSSED = {
    "at the end": (("a & b", "c"), ("a", "b & c")),
    "a lone sign at the end": (("a &", "b"), ("a", "& b")),
    "a sign alone": (("&", "b & &"), ("& & b", "&")),
    "already with a backslash": (("a \\& b", "c"), ("a & b", "c")),
    "two backslashes": (("a \\\\& b", "c"), ("a \\& b", "c")),
}


@pytest.mark.parametrize("case", CROSSED)
def test_crossings_do_not_collide(case):
    one, other = CROSSED[case]
    assert crossed(one) != crossed(other)
    frame = pd.DataFrame([one, other] * 3, columns=["p", "q"])
    codes, labels = encode_groups(frame)
    assert len(labels) == 2
    assert len(set(codes[::2])) == len(set(codes[1::2])) == 1
    assert (GroupEncoder().fit(frame).transform(frame).codes == codes).all()


def test_names_of_crossings_are_plain_where_nothing_is_ambiguous():
    assert crossed(["R&D", "M"]) == "R&D & M"
    assert crossed(["a & b"]) == "a & b"
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"], "a & b": ["s", "t"]})
    assert list(views(Groups.of(frame))) == ["a", "b", "a & b", r"a & b & a \& b"]


# -- notes and cuts --------------------------------------------------------------------------------


def notes_of(**changes: object) -> str:
    data = Dataset.from_frame(people(**changes), Roles(outcome="y", favorable="1", protected=("sex",)))
    return "\n".join(data.notes)


NOTES = {
    "spaces": ({"sex": alternate("F", "F ", "M")}, r"spaces at the ends .* 'F' \(134 rows\)"),
    "composition": ({"sex": alternate("\u00e9", "e\u0301", "x")}, "Unicode composition"),
    "case": ({"sex": alternate("female", "Female", "M")}, r"'female' \(67 rows\), 'Female' \(67 rows\)"),
    "zero width": ({"sex": alternate("F", "F\u200b", "M")}, r"'F\\u200b'"),
    "full width": ({"sex": alternate("F", "\uff26", "M")}, "differ in spelling only"),
    "missing twice": ({"sex": alternate("missing", None, "M")}, "form one group"),
    "spelling of the outcome": ({"y": alternate("1", "0", "1 ")}, "outcome 'y' has values that differ"),
}


@pytest.mark.parametrize("case", NOTES)
def test_spellings_are_named(case):
    import re

    changes, pattern = NOTES[case]
    assert re.search(pattern, notes_of(**changes))


def test_nothing_is_noted_where_nothing_is_alike():
    assert notes_of() == ""
    assert notes_of(sex=alternate(1, 2.0, 3)) == ""


def test_names_that_look_alike_have_the_same_skeleton():
    assert skeleton(" Black  or African\u00a0American ") == skeleton("black or african american")
    assert skeleton("F") != skeleton("M")


def groups_of(values: object, **cuts: tuple[float, ...]) -> tuple[set[str], list[str]]:
    sensitive, _, notes = protected_groups(pd.DataFrame({"a": values}), ["a"], cuts)
    return set(sensitive["a"]), notes


def test_twelve_codes_are_twelve_groups():
    groups, notes = groups_of(np.arange(240) % 12)
    assert groups == {str(i) for i in range(12)}
    assert notes == []


def test_a_number_of_many_values_is_cut_and_its_bounds_are_told():
    groups, notes = groups_of(np.arange(100))
    assert len(groups) == 4
    assert "binned at its quartiles (24.75, 49.5, 74.25)" in notes[0]


def test_cuts_read_numbers_that_are_texts():
    assert groups_of(["24", "25", "26", "NA", None], a=(25,))[0] == {"<=25", ">25", "missing"}
    assert "no numbers" in groups_of(["24", "26", "NA"], a=(25,))[1][0]
    with pytest.raises(DataError, match="not a number: it holds 'old'"):
        groups_of(["24", "old", "26"], a=(25,))
    with pytest.raises(DataError, match="not a number"):
        groups_of([True, False], a=(1,))


def test_cuts_that_six_digits_do_not_tell_apart_stay_apart():
    groups, _ = groups_of([1e7, 1e7 + 1, 1e7 + 2, 1e7 + 3], a=(1e7, 1e7 + 1, 1e7 + 2))
    assert len(groups) == 4


def test_too_many_groups_are_refused():
    with pytest.raises(DataError, match="6,000 values, at most 5,000 groups"):
        groups_of([f"g{i}" for i in range(6000)])


ODD = {
    "dates": [date(2020, 1, 1 + i % 28) for i in range(N)],
    "moments": pd.date_range("2020", periods=N),
    "decimals": [Decimal(i % 7) for i in range(N)],
    "categories": pd.Categorical(alternate("a", "b")),
    "truth with gaps": pd.array(alternate(True, None, False), dtype="boolean"),
    "whole numbers with gaps": pd.array(alternate(1, None, 3), dtype="Int64"),
    "spans": pd.to_timedelta(np.arange(N), "h"),
}


@pytest.mark.parametrize("case", ODD)
def test_columns_of_other_types_are_read_and_audited(cli, arena, case):
    people(extra=ODD[case]).to_parquet(arena / "a.parquet")
    done = cli(
        "audit",
        "a.parquet",
        "--outcome",
        "y",
        "--protected",
        "sex",
        "--learner",
        "logistic_regression",
        "--json",
    )
    assert done.code == 0, done.err
    assert done.json["rows"] == N
