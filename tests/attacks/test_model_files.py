"""Model files that would run code, reach files, or exhaust the machine; and all that must still load."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import json
import pickle
import sqlite3
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators
from skops.io._audit import NODE_TYPE_MAPPING

from fairmend.catalog.registry import Registry
from fairmend.core.errors import DataError, FairmendError, RunError
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.model_files import archive as archives
from fairmend.pipeline.storage.model_files import dump_model, load_model
from fairmend.pipeline.storage.model_files.schema import RULES
from fairmend.pipeline.storage.model_files.types import LISTS, NAMES, listed
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.testing.driving import instance, outputs
from fairmend.testing.problems import problem
from tests.attacks.model_schemas import (
    array,
    mapping,
    node,
    npy,
    packed,
    several,
    thing,
    unpacked,
    value,
)

LISTED = json.loads(LISTS.read_text())
REGISTRY = Registry.installed(None)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] + RNG.normal(size=60) > 0).astype(int)


def stopped(content: bytes, match: str | None = None, error: type[FairmendError] = FairmendError) -> str:
    """Check that a file is refused in one line, and return the line."""
    with pytest.raises(error, match=match) as caught:
        load_model(content, what="model.skops")
    said = str(caught.value)
    assert isinstance(caught.value, (RunError, DataError))
    assert "\n" not in said
    assert len(said) < 600
    return said


# -- a file for each kind of node -----------------------------------------------------------------


def called(mark: str) -> Any:
    """Return arguments with which many a constructor would leave a mark."""
    return several("tuple", mark)


NODES = {
    "BytearrayNode": lambda m: node("BytearrayNode", "builtins.bytearray", file="a.npy"),
    "BytesNode": lambda m: node("BytesNode", "pathlib.Path", file="a.npy"),
    "CachedNode": lambda m: {**node("CachedNode", "builtins.str"), "__id__": 7},
    "ConstructorFromReduceNode": lambda m: node("ConstructorFromReduceNode", "io.FileIO", content=several("tuple", m, "w")),
    "DTypeNode": lambda m: node("DTypeNode", "numpy.dtype", content=thing("pandas.core.computation.expr.Expr", expr=m)),
    "DefaultDictNode": lambda m: node(
        "DefaultDictNode", "collections.defaultdict", content={"main": mapping(), "default_factory": node("TypeNode", "os.getcwd")}
    ),
    "DictNode": lambda m: {**mapping(a=1), "key_types": several("list", node("TypeNode", "builtins.open"))},
    "FunctionNode": lambda m: node("FunctionNode", "os.system"),
    "JsonNode": lambda m: node("JsonNode", "builtins.str", content="[" * 20000, is_json=True),
    "ListNode": lambda m: node("ListNode", "numpy.memmap", content=[value(m)]),
    "LossNode": lambda m: node("LossNode", "io.FileIO", __reduce__={"args": several("tuple", m, "w")}, content=mapping()),
    "MaskedArrayNode": lambda m: node(
        "MaskedArrayNode", "numpy.ma.MaskedArray", content={"data": thing("numpy.memmap", filename=m), "mask": array("a.npy")}
    ),
    "MethodNode": lambda m: node(
        "MethodNode", "sklearn.linear_model._logistic.LogisticRegression",
        content={"func": "__init_subclass__", "obj": thing("sklearn.linear_model._logistic.LogisticRegression")},
    ),
    "NdArrayNode": lambda m: array("a.npy", "numpy.memmap"),
    "ObjectNode": lambda m: thing("gzip.GzipFile", filename=m),
    "OperatorFuncNode": lambda m: node("OperatorFuncNode", "operator.methodcaller", attrs=several("tuple", "to_pickle", m)),
    "PartialNode": lambda m: node(
        "PartialNode", "functools.partial",
        content={
            "func": node("FunctionNode", "os.system"), "args": several("tuple", m), "kwds": mapping(), "namespace": value(None),
        },
    ),
    "QuantileForestNode": lambda m: node(
        "QuantileForestNode", "quantile_forest.QuantileForest", __reduce__={"args": called(m)}, content=mapping()
    ),
    "RandomGeneratorNode": lambda m: node(
        "RandomGeneratorNode", "numpy.random._generator.Generator",
        content={"bit_generator": mapping(bit_generator="set_bit_generator"), "seed_seq": mapping()},
    ),
    "RandomStateNode": lambda m: node("RandomStateNode", "numpy.DataSource", content=mapping(destpath=m)),
    "SetNode": lambda m: node("SetNode", "pathlib.Path", content=[value(m)]),
    "SliceNode": lambda m: node("SliceNode", "builtins.slice", content={"start": [m], "stop": {}, "step": None}),
    "SparseMatrixNode": lambda m: node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="a.npy"),
    "TreeNode": lambda m: node("TreeNode", "sklearn.tree._tree.Tree", __reduce__={"args": called(m)}, content=mapping()),
    "TupleNode": lambda m: node("TupleNode", "sys._git", content=[value(m)]),
    "TypeNode": lambda m: node("TypeNode", "builtins.eval"),
}  # fmt: skip


@pytest.mark.parametrize("loader", sorted({loader for loader, _ in NODE_TYPE_MAPPING}))
def test_no_kind_of_node_makes_what_the_list_does_not_name(loader, tmp_path):
    mark = tmp_path / "mark"
    made = NODES[loader](str(mark))
    for place in (made, several("list", made), thing("sklearn.pipeline.Pipeline", steps=made)):
        stopped(packed(place, {"a.npy": npy([1.0])}))
    assert not mark.exists()


def test_each_kind_of_node_has_a_rule_or_is_refused():
    known = {loader for loader, _ in NODE_TYPE_MAPPING}
    assert RULES.keys() <= known == NODES.keys()
    assert known - RULES.keys() == {
        "BytearrayNode", "CachedNode", "MethodNode", "OperatorFuncNode", "QuantileForestNode"
    }  # fmt: skip


# -- classes and functions that reach out ---------------------------------------------------------

GADGETS = [
    "builtins.eval",
    "builtins.exec",
    "builtins.open",
    "builtins.__import__",
    "builtins.compile",
    "builtins.map",
    "builtins.type",
    "os.system",
    "os.popen",
    "os.remove",
    "subprocess.Popen",
    "subprocess.check_output",
    "importlib.import_module",
    "runpy.run_path",
    "shutil.rmtree",
    "pickle.loads",
    "pickle.Unpickler",
    "gzip.GzipFile",
    "bz2.BZ2File",
    "lzma.LZMAFile",
    "tempfile.NamedTemporaryFile",
    "io.FileIO",
    "io.open",
    "multiprocessing.connection.Listener",
    "multiprocessing.connection.Client",
    "socket.socket",
    "socketserver.TCPServer",
    "mmap.mmap",
    "urllib.request.urlopen",
    "http.client.HTTPConnection",
    "logging.FileHandler",
    "sqlite3.connect",
    "ctypes.CDLL",
    "zipfile.ZipFile",
    "numpy.memmap",
    "numpy.DataSource",
    "numpy.lib._datasource.DataSource",
    "numpy.fromfile",
    "numpy.load",
    "numpy.loadtxt",
    "numpy.genfromtxt",
    "numpy.save",
    "numpy.f2py.compile",
    "numpy.frompyfunc",
    "numpy.vectorize",
    "numpy.lib._npyio_impl.NpzFile",
    "numpy.object_",
    "numpy.void",
    "numpy.recarray",
    "scipy.io.loadmat",
    "scipy.io.savemat",
    "scipy.io._netcdf.netcdf_file",
    "scipy.io._fortran.FortranFile",
    "scipy.io.wavfile.read",
    "scipy.sparse.load_npz",
    "scipy.sparse.save_npz",
    "scipy.optimize._minimize.minimize",
    "scipy._lib._ccallback.LowLevelCallable",
    "pandas.read_pickle",
    "pandas.read_csv",
    "pandas.eval",
    "pandas.core.computation.expr.Expr",
    "pandas.core.computation.eval.eval",
    "pandas.core.computation.scope.Scope",
    "pandas.io.pytables.HDFStore",
    "pandas.io.excel._base.ExcelFile",
    "pandas.io.excel._base.ExcelWriter",
    "pandas.io.stata.StataReader",
    "pandas.io.sas.sas_xport.XportReader",
    "pandas.io.parsers.readers.TextFileReader",
    "pandas.io.clipboard.paste",
    "pandas.compat.pickle_compat.Unpickler",
    "pandas.core.frame.DataFrame",
    "pandas.DataFrame",
    "pandas.Series",
    "joblib.memory.Memory",
    "joblib.load",
    "joblib.numpy_pickle.NumpyUnpickler",
    "joblib.externals.loky.process_executor.ProcessPoolExecutor",
    "sklearn.datasets.load_files",
    "sklearn.datasets.fetch_openml",
    "sklearn.datasets._base.load_svmlight_file",
    "sklearn.utils._joblib.Memory",
    "sklearn.utils.check_memory",
    "sklearn.tree.export_graphviz",
    "sklearn.utils._testing.TempMemmap",
    "sklearn.externals._arff.ArffDecoder",
    "sklearn.metrics._dist_metrics.PyFuncDistance64",
    "sklearn.cluster._birch.Birch",
    "fairmend.pipeline.storage.artifacts.Artifacts",
    "fairmend.pipeline.storage.run_store.RunStore",
    "fairmend.catalog.registry.write_snapshot",
    "fairmend.plugins.datasets.bank",
    "skops.io.load",
]

POSITIONS = {
    "reduce": lambda name, args: node("ConstructorFromReduceNode", name, content=args),
    "object": lambda name, args: thing(name, filename="mark"),
    "bare object": lambda name, args: node("ObjectNode", name),
    "state": lambda name, args: node("ObjectNode", name, content=args),
    "type": lambda name, args: node("TypeNode", name),
    "function": lambda name, args: node("FunctionNode", name),
    "list": lambda name, args: node("ListNode", name, content=args["content"]),
    "set": lambda name, args: node("SetNode", name, content=args["content"]),
    "tuple": lambda name, args: node("TupleNode", name, content=args["content"]),
    "dict": lambda name, args: mapping(name, a=1),
    "key": lambda name, args: {**mapping(mark=1), "key_types": several("list", node("TypeNode", name))},
    "array": lambda name, args: array("a.npy", name),
    "loss": lambda name, args: node("LossNode", name, __reduce__={"args": args}, content=mapping()),
    "random": lambda name, args: node("RandomStateNode", name, content=mapping()),
    "default": lambda name, args: node(
        "DefaultDictNode", "collections.defaultdict", content={"main": mapping(), "default_factory": node("TypeNode", name)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GADGETS)
def test_what_reads_writes_opens_or_evaluates_is_made_in_no_position(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = several("tuple", str(tmp_path / "mark"), "w+")
    for position, make in POSITIONS.items():
        said = stopped(packed(make(name, args), {"a.npy": npy(1.0)}), error=RunError)
        assert name in said, position
    assert list(tmp_path.iterdir()) == []


REACHES = {
    "open", "eval", "exec", "__import__", "compile", "system", "popen", "Popen", "import_module", "urlopen", "urlretrieve",
    "memmap", "mmap", "socket", "mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory", "remove", "unlink", "rmtree",
    "makedirs", "mkdir", "rename", "Memory", "check_memory", "run_path", "Listener",
}  # fmt: skip
MADE_BY = {
    "__new__",
    "__init__",
    "__setstate__",
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__del__",
    "__post_init__",
}


def reaching(source: str) -> tuple[set[str], set[str]]:
    """Return the classes that reach out when they are made, and the functions that do."""
    classes, functions = set(), set()
    for part in ast.parse(source).body:
        if isinstance(part, ast.ClassDef):
            methods = [f for f in part.body if isinstance(f, ast.FunctionDef) and f.name in MADE_BY]
            if any(_reaches(f) for f in methods):
                classes.add(part.name)
        elif isinstance(part, ast.FunctionDef) and _reaches(part):
            functions.add(part.name)
    return classes, functions


def _reaches(code: ast.AST) -> bool:
    calls = [n.func for n in ast.walk(code) if isinstance(n, ast.Call)]
    names = {
        f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else "" for f in calls
    }
    return bool(names & REACHES)


SCANNED = {
    "pandas": ("io", "core/computation"),
    "numpy": ("lib", "_core"),
    "sklearn": ("datasets", "utils", "externals"),
    "scipy": ("io", "_lib"),
}


@pytest.mark.parametrize("package", SCANNED)
def test_classes_and_functions_that_a_scan_finds_are_not_made(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = Path(importlib.import_module(package).__file__).parent
    names = []
    for folder in SCANNED[package]:
        for path in sorted((root / folder).rglob("*.py")):
            if "tests" in path.parts:
                continue
            classes, functions = reaching(path.read_text(encoding="utf-8"))
            module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            names += [f"{module}.{name}" for name in sorted(classes | functions)]
    assert len(names) >= 5
    for name in names:
        for position in ("reduce", "object", "function", "type", "loss"):
            made = POSITIONS[position](name, several("tuple", "mark"))
            assert name in stopped(packed(made), error=RunError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("section", LISTED)
def test_what_is_listed_reaches_out_of_nothing(section):
    for module, names in LISTED[section].items():
        loaded = importlib.import_module(module)
        for name in names:
            assert callable(getattr(loaded, name))
        try:
            source = inspect.getsource(loaded)
        except (OSError, TypeError):  # compiled code
            continue
        classes, functions = reaching(source)
        assert not (classes | functions) & set(names), module
    assert not set(GADGETS) & (listed(section) | frozenset().union(*NAMES.values()))


def test_the_listed_estimators_are_those_of_scikit_learn():
    here = {
        f"{c.__module__}.{c.__name__}" for _, c in all_estimators() if c.__module__.startswith("sklearn.")
    }
    # Birch cannot be written by skops; halving searches are there only where experiments were enabled.
    other = {name for name in here if "_birch." in name or "_search_successive_halving." in name}
    assert listed("estimators") == here - other


# -- plugins --------------------------------------------------------------------------------------

PLUGIN = """
import enum
import subprocess
from subprocess import Popen
from pathlib import Path as Renamed
class Kind(enum.Enum):
    ONE = 1
class Model:
    def __init__(self, path="none"):
        open(path, "w").close()
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A third-party plugin whose package imports what its own classes do not need."""
    package = tmp_path / "somebodys"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "techniques.py").write_text(PLUGIN)
    (package / "trap.py").write_text(
        f"open({str(tmp_path / 'imported')!r}, 'w').close()\nclass Model: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_plugin_has_its_own_classes_made_and_nothing_else(plugin):
    trusted = ["somebodys.techniques"]
    made = load_model(packed(thing("somebodys.techniques.Model", answer=42)), trusted)
    assert (type(made).__module__, made.answer) == ("somebodys.techniques", 42)
    kind = node("ConstructorFromReduceNode", "somebodys.techniques.Kind", content=several("tuple", 1))
    assert load_model(packed(kind), trusted).name == "ONE"
    mark = several("tuple", str(plugin / "mark"))
    for bad in (
        node("ConstructorFromReduceNode", "somebodys.techniques.Model", content=mark),
        node("ConstructorFromReduceNode", "somebodys.techniques.Popen", content=mark),
        thing("somebodys.techniques.Renamed"),
        thing("somebodys.techniques.subprocess"),
        thing("somebodys.trap.Model"),
        node("FunctionNode", "somebodys.techniques.Model"),
        node("TypeNode", "somebodys.techniques.Model"),
        thing("subprocess.Popen"),
    ):
        with pytest.raises(RunError, match=r"no installed plugin needs|neither arithmetic"):
            load_model(packed(bad), trusted)
    assert not (plugin / "imported").exists()
    assert not (plugin / "mark").exists()


# -- archives and schemas that are not what they seem ---------------------------------------------

GOOD = skops.io.dumps(LogisticRegression().fit(X, Y))
SCHEMA, FILES = unpacked(LogisticRegression().fit(X, Y))
A_FILE = min(FILES)


def changed(**files: bytes) -> bytes:
    return packed(SCHEMA, {**FILES, **{A_FILE: files.pop("first", FILES[A_FILE])}, **files})


def twice() -> bytes:
    out = io.BytesIO(GOOD)
    with zipfile.ZipFile(out, "a") as whole, pytest.warns(UserWarning, match="Duplicate"):
        whole.writestr("schema.json", "{}")
    return out.getvalue()


def nested(depth: int) -> dict[str, Any]:
    inner: Any = value(1)
    for _ in range(depth):
        inner = several("list", inner)
    return inner


def flipped(content: bytes) -> bytes:
    place = content.index(b"\x93NUMPY") + 140
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


def lying(content: bytes) -> bytes:
    """Return an archive whose directory gives a member other sizes than it has."""
    place = content.index(b"PK\x01\x02")
    return content[: place + 20] + struct.pack("<II", 2**31, 2**31) + content[place + 28 :]


def long_header() -> bytes:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    head += b" " * (117 - len(head)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + b"\0" * 80


def other_identity() -> dict[str, Any]:
    first, second = mapping(a=1), thing("sklearn.pipeline.Pipeline")
    return several("list", {**first, "__id__": 5}, {**second, "__id__": 5})


def itself() -> dict[str, Any]:
    inner = {**several("list"), "__id__": 9}
    return {**several("list", inner), "__id__": 9}


def npz_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("data.npy", npy(np.zeros(9 * 10**6)))
    return out.getvalue()


def bad_sparse() -> bytes:
    out = io.BytesIO()
    parts = {
        "format": np.array(b"csr"),
        "shape": np.array([1, 3]),
        "data": np.ones(1),
        "indices": np.array([99]),
        "indptr": np.array([0, 1]),
    }
    np.savez(out, **parts)
    return out.getvalue()


SPARSE = node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="s.npz")
PICKLED = npy(np.array([print], dtype=object), allow_pickle=True)

BROKEN = {
    "empty": (lambda: b"", "not a zip archive"),
    "text": (lambda: b"not a zip at all", "not a zip archive"),
    "a pickle": (lambda: pickle.dumps({"a": 1}), "not a zip archive"),
    "cut in half": (lambda: GOOD[: len(GOOD) // 2], "truncated"),
    "without its end": (lambda: GOOD[:-30], "truncated"),
    "one byte flipped": (lambda: flipped(GOOD), "corrupted"),
    "sizes that lie": (lambda: lying(GOOD), "would unpack to"),
    "no schema": (lambda: packed("{}").replace(b"schema.json", b"scheme.json"), "its member 'schema.json' is missing"),
    "schema twice": (twice, "occurs 2 times"),
    "schema not JSON": (lambda: packed("{,}"), "schema is no JSON"),
    "schema not text": (lambda: packed(b"\xff\xfe\x00"), "schema is no JSON"),
    "schema a list": (lambda: packed("[]"), "schema is not an object"),
    "schema empty": (lambda: packed("{}"), "protocol None"),
    "schema nested in JSON": (lambda: packed("[" * 100_000), "nested too deeply"),
    "nodes nested": (lambda: packed(nested(150)), "more than 100 nested"),
    "protocol 0": (lambda: packed(SCHEMA, FILES, protocol=0), "protocol 0"),
    "protocol 99": (lambda: packed(SCHEMA, FILES, protocol=99), "protocol 99"),
    "protocol true": (lambda: packed(SCHEMA, FILES, protocol=True), "protocol True"),
    "protocol text": (lambda: packed(SCHEMA, FILES, protocol="2"), "protocol 2"),
    "a member outside": (lambda: changed(**{"../../mark": b"x"}), "is not a regular file"),
    "an absolute member": (lambda: changed(**{"/mark": b"x"}), "is not a regular file"),
    "a stray member": (lambda: changed(stray=b"x"), "nothing in it refers to its member 'stray'"),
    "a file outside": (lambda: packed(array("../../etc/passwd")), "is missing"),
    "a file that is the schema": (lambda: packed(array("schema.json")), "without a file"),
    "one file for two": (lambda: packed(several("list", array("a"), array("a")), {"a": npy([1])}), "two nodes with the same file"),
    "pickled objects": (lambda: changed(first=PICKLED), "pickled objects"),
    "an array longer than it is": (lambda: changed(first=long_header()), "array of shape"),
    "an array cut": (lambda: changed(first=FILES[A_FILE][:-3]), "array of shape"),
    "no array": (lambda: changed(first=b"hello"), "header cannot be read"),
    "an array in place of a number": (lambda: packed(array("a", "numpy.str_"), {"a": npy([1, 2])}), "has an array in place of a number"),
    "a bomb": (lambda: packed(array("a"), {"a": npy(np.zeros(9 * 10**6))}, compression=zipfile.ZIP_DEFLATED), "would unpack to"),
    "a bomb of another kind": (lambda: packed(array("a"), {"a": npy([1])}, compression=zipfile.ZIP_BZIP2), "neither stored nor deflated"),
    "a bomb in a matrix": (lambda: packed(SPARSE, {"s.npz": npz_bomb()}), "would unpack to"),
    "a matrix with places outside": (lambda: packed(SPARSE, {"s.npz": bad_sparse()}), "inconsistent"),
    "one identity for two": (lambda: packed(other_identity()), "two different nodes with the same id"),
    "a list in itself": (lambda: packed(itself()), "two different nodes with the same id"),
    "a node without a type": (lambda: packed(several("list", {"__loader__": "ListNode"})), "without a type"),
    "a node with other fields": (lambda: packed({**value(1), "extra": 1}), "unexpected fields"),
    "a type that is no text": (lambda: packed({**value(1), "__class__": ["str"]}), "without a type"),
    "a value that is a list": (lambda: packed(node("JsonNode", "builtins.str", content="[1]", is_json=True)), "neither a number nor"),
    "a number without end": (lambda: packed(node("JsonNode", "builtins.str", content="9" * 5000, is_json=True)), "neither a number nor"),
    "keys that lack types": (lambda: packed({**mapping(a=1), "key_types": several("list")}), "different numbers of keys"),
    "keys that are called": (lambda: packed({**mapping(a=1), "key_types": several("list", "a")}), "keys have no type"),
    "a partial function with arguments": (
        lambda: packed(
            node("PartialNode", "functools.partial", content={
                "func": node("FunctionNode", "numpy.mean"), "args": several("tuple", 1), "kwds": mapping(), "namespace": value(None)
            })
        ),
        "more than keyword arguments",
    ),
    "a reader of files": (
        lambda: packed(thing("sklearn.feature_extraction.text.TfidfVectorizer", input="filename")), "reads files"
    ),
    "a generator with a vast pool": (
        lambda: packed(
            node("RandomGeneratorNode", "numpy.random._generator.Generator",
                 content={"bit_generator": mapping(bit_generator="PCG64"), "seed_seq": mapping(pool_size=10**10)})
        ),
        "invalid pool size",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_is_not_what_it_seems_is_one_line(case):
    make, match = BROKEN[case]
    stopped(make(), match)


def test_the_limits_hold_before_anything_is_unpacked(monkeypatch):
    monkeypatch.setattr(archives.zipfile.ZipFile, "read", lambda *_: pytest.fail("it was unpacked"))
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    stopped(GOOD, "members, more than 3")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10**6)
    monkeypatch.setattr(archives, "MAX_TOTAL", 1000)
    stopped(GOOD, "more than 1,000")


# -- trees that lead outside ----------------------------------------------------------------------


def rewired(model: Any, owner: str, field: str, place: int, to: int) -> bytes:
    """Return a file of a fitted model in whose first tree one place is another."""
    schema, files = unpacked(model)
    text = json.dumps(schema)
    queue, name = [schema], None
    while queue and name is None:
        item = queue.pop(0)
        if isinstance(item, dict):
            if item.get("__class__") == owner:
                state = item["content"]["content"]
                name = (
                    state[{"idx_array": 1, "idx_end": 2}[field]]
                    if isinstance(state, list)
                    else state["nodes"]
                )["file"]
            queue += item.values()
        elif isinstance(item, list):
            queue += item
    values = np.load(io.BytesIO(files[name]))
    (values if field == "idx_array" else values[field])[place] = to
    return packed(json.loads(text), {**files, name: npy(values)})


TREES = {
    "a child beyond the end": (DecisionTreeClassifier, "Tree", "left_child", 0, 10**6),
    "a child that is its parent": (DecisionTreeClassifier, "Tree", "right_child", 0, 0),
    "a child before the start": (DecisionTreeClassifier, "Tree", "right_child", 0, -7),
    "a feature that is not there": (DecisionTreeClassifier, "Tree", "feature", 0, 99),
    "in a forest": (RandomForestClassifier, "Tree", "feature", 0, -3),
    "boosted, a child": (HistGradientBoostingClassifier, "TreePredictor", "left", 0, 10**6),
    "boosted, a feature": (HistGradientBoostingClassifier, "TreePredictor", "feature_idx", 0, 99),
    "neighbors, a point": (KNeighborsClassifier, "KDTree", "idx_array", 0, 10**6),
    "neighbors, a range": (KNeighborsClassifier, "KDTree", "idx_end", 0, 10**6),
}


@pytest.mark.parametrize("case", TREES)
def test_a_tree_that_leads_outside_of_itself_is_not_loaded(case):
    kind, owner, field, place, to = TREES[case]
    settings = {"n_estimators": 2} if kind is RandomForestClassifier else {}
    stopped(rewired(kind(**settings).fit(X, Y), owner, field, place, to), "lead outside of it", DataError)


# -- what must still load -------------------------------------------------------------------------

WRAPS = {
    "estimator": LogisticRegression(),
    "estimators": [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=2))],
}
SETTINGS = {
    "ClassifierChain": None, "MultiOutputClassifier": None,  # several outcomes
    "MLPClassifier": {"max_iter": 5, "hidden_layer_sizes": (3,)}, "HistGradientBoostingClassifier": {"max_iter": 3},
    "GradientBoostingClassifier": {"n_estimators": 3}, "RandomForestClassifier": {"n_estimators": 3},
    "ExtraTreesClassifier": {"n_estimators": 3}, "AdaBoostClassifier": {"n_estimators": 3},
    "BaggingClassifier": {"n_estimators": 3}, "LogisticRegressionCV": {"cv": 2, "Cs": 2},
    "SelfTrainingClassifier": {"estimator": LogisticRegression()},
}  # fmt: skip
CLASSIFIERS = dict(all_estimators("classifier"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in CLASSIFIERS if SETTINGS.get(n, {}) is not None])
def test_every_classifier_of_scikit_learn_comes_back(name):
    kind = CLASSIFIERS[name]
    needed = {
        k: WRAPS[k] for k, p in inspect.signature(kind).parameters.items() if k in WRAPS and p.default is inspect.Parameter.empty
    }  # fmt: skip
    fitted = kind(**{**needed, **SETTINGS.get(name, {})}).fit(np.abs(X), Y)
    back = load_model(dump_model(fitted))
    assert (back.predict(np.abs(X)) == fitted.predict(np.abs(X))).all()


TABLE = pd.DataFrame(X, columns=list("abcd")).assign(text=RNG.choice(["one", "two three", "four"], 60))
COLUMNS = [
    ("numbers", StandardScaler(), list("abcd")),
    ("texts", OneHotEncoder(sparse_output=True), ["text"]),
]
COMPOSED = {
    "columns": make_pipeline(ColumnTransformer(COLUMNS), LogisticRegression()),
    "ordinal": make_pipeline(ColumnTransformer([("t", OrdinalEncoder(), ["text"])], remainder="passthrough"),
                             HistGradientBoostingClassifier(max_iter=3, categorical_features=[0])),
    "text": make_pipeline(ColumnTransformer([("t", TfidfVectorizer(), "text")]), LogisticRegression()),
    "calibrated": CalibratedClassifierCV(make_pipeline(ColumnTransformer(COLUMNS), LinearSVC()), cv=2),
    "isotonic": CalibratedClassifierCV(make_pipeline(ColumnTransformer(COLUMNS), LinearSVC()), cv=2, method="isotonic"),
    "arithmetic": make_pipeline(ColumnTransformer([("n", FunctionTransformer(np.square), list("abcd"))]), LogisticRegression()),
    "selection": make_pipeline(ColumnTransformer(COLUMNS), SelectKBest(k=2), LogisticRegression()),
    "sparse": make_pipeline(ColumnTransformer(COLUMNS, sparse_threshold=1.0), SVC(probability=False)),
    "random state": make_pipeline(ColumnTransformer(COLUMNS), RandomForestClassifier(3, random_state=np.random.RandomState(0))),
    "search": GridSearchCV(make_pipeline(ColumnTransformer(COLUMNS), LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2, scoring="roc_auc"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", COMPOSED)
def test_composed_models_come_back(case):
    fitted = COMPOSED[case].fit(TABLE, Y)
    back = load_model(dump_model(fitted))
    assert (back.predict(TABLE) == fitted.predict(TABLE)).all()


@pytest.mark.parametrize(
    "slug", [c.metadata.slug for c in REGISTRY.cards() if c.metadata.stage != "operations"]
)
def test_the_fitted_state_of_every_technique_comes_back(slug):
    technique = REGISTRY.technique(slug)
    task = "binary" if "binary" in technique.metadata.tasks else technique.metadata.tasks[0]
    p, fitted = problem(task=task), instance(technique, task)
    outputs(fitted, p)
    assert type(load_model(dump_model(fitted))) is technique


# -- through the command line ---------------------------------------------------------------------

ROLES = ("--outcome", "hired", "--favorable", "yes", "--protected", "sex")
READ = ["score", "years"]


@pytest.fixture(scope="module")
def jobs(jobs_csv):
    return pd.read_csv(jobs_csv)


def fit(jobs: pd.DataFrame, model: Any = None, columns: Any = READ, y: Any = None) -> bytes:
    seen = jobs.head(400)
    known = seen[columns] if isinstance(columns, (list, str)) else columns(seen)
    return skops.io.dumps((model or LogisticRegression()).fit(known, seen["hired"] if y is None else y[:400]))


def odd(jobs: pd.DataFrame, **attributes: Any) -> bytes:
    model = LogisticRegression().fit(jobs[READ].head(400), jobs["hired"].head(400))
    for name, given in attributes.items():
        setattr(model, name, given)
    return skops.io.dumps(model)


EXPR = node("ConstructorFromReduceNode", "pandas.core.computation.expr.Expr", content=several("tuple", "1"))
UNFIT = {
    "runs code": (lambda j: packed(EXPR), "pandas.core.computation.expr.Expr, which no model"),
    "a listener": (lambda j: packed(node("ConstructorFromReduceNode", "multiprocessing.connection.Listener", content=several("tuple"))), "Listener"),
    "a mapped file": (lambda j: packed(array("a", "numpy.memmap"), {"a": npy([1])}), "numpy.memmap"),
    "writes at prediction": (
        lambda j: packed(thing("sklearn.preprocessing._function_transformer.FunctionTransformer",
                               func=node("OperatorFuncNode", "operator.methodcaller", attrs=several("tuple", "to_pickle", "mark")))),
        "OperatorFuncNode",
    ),
    "reads a pickle": (lambda j: skops.io.dumps(FunctionTransformer(pd.read_pickle)), "would call pandas"),
    "not a zip": (lambda j: b"a,b\n1,2\n", "was not saved with skops"),
    "a pickle": (lambda j: pickle.dumps(LogisticRegression()), "was not saved with skops"),
    "empty": (lambda j: b"", "was not saved with skops"),
    "cut off": (lambda j: GOOD[:-40], "truncated"),
    "corrupted": (lambda j: flipped(GOOD), "is corrupted"),
    "a bomb": (lambda j: BROKEN["a bomb"][0](), "would unpack to"),
    "not fitted": (lambda j: skops.io.dumps(LogisticRegression()), "is not fitted"),
    "a pipeline not fitted": (lambda j: skops.io.dumps(make_pipeline(StandardScaler(), LogisticRegression())), "is not fitted"),
    "a list": (lambda j: skops.io.dumps([1, 2]), "list lacks one|must have predict"),
    "a scaler": (lambda j: skops.io.dumps(StandardScaler().fit(j[READ])), "must have predict"),
    "three classes": (lambda j: fit(j, y=np.arange(3000) % 3), "got 3 classes"),
    "other classes": (lambda j: fit(j, y=np.where(j["hired"] == "yes", "good", "bad")), "classes of the model are bad and good"),
    "one class twice": (lambda j: odd(j, classes_=np.array(["yes", "yes"])), "two distinct classes"),
    "fitted on texts": (lambda j: fit(j, make_pipeline(TfidfVectorizer(), LogisticRegression()), lambda f: f["years"].map("in year{}".format)), "for each|cannot score"),
    "other columns": (lambda j: fit(j, columns=lambda f: f[READ].rename(columns={"years": "salary"})), "reads salary, which is missing or empty"),
    "more columns": (lambda j: fit(j, columns=lambda f: f[["score", "years", "years"]].to_numpy()), "array of 3 columns"),
    "no numbers": (lambda j: odd(j, coef_=np.array([[np.nan, np.nan]])), "missing in|NaN"),
    "weights of another shape": (lambda j: odd(j, coef_=np.ones((1, 5))), "cannot score these rows"),
    "weights that are text": (lambda j: odd(j, coef_="none"), "cannot score these rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_an_audit_refuses_an_unfit_model(refused, arena, jobs, case):
    make, match = UNFIT[case]
    (arena / "model.skops").write_bytes(make(jobs))
    refused("audit", "jobs.csv", *ROLES, "--model", "model.skops", match=match)


@pytest.mark.parametrize(
    "case", ["runs code", "cut off", "a bomb", "not fitted", "three classes", "fitted on texts", "no numbers"]
)
def test_a_run_refuses_an_unfit_model(refused, arena, jobs, case):
    make, match = UNFIT[case]
    (arena / "model.skops").write_bytes(make(jobs))
    refused("run", "light.yaml", "--data", "jobs.csv", "--no-save", "--model", "model.skops", match=match)


def test_an_audit_finds_the_columns_by_name_and_needs_no_probabilities(cli, arena, jobs):
    (arena / "swapped.skops").write_bytes(fit(jobs, columns=["years", "score"]))
    (arena / "plain.skops").write_bytes(fit(jobs))
    (arena / "decides.skops").write_bytes(fit(jobs, LinearSVC()))
    swapped, plain, decides = (
        cli("audit", "jobs.csv", *ROLES, "--model", f"{name}.skops", "--json")
        for name in ("swapped", "plain", "decides")
    )
    assert plain.code == swapped.code == decides.code == 0, swapped.err
    one, other = (done.json["measures"]["sex"]["accuracy"]["value"] for done in (plain, swapped))
    assert one == pytest.approx(other, abs=0.01)
    assert "brier" not in decides.json["measures"]["sex"]


# -- models in the run store ----------------------------------------------------------------------


def test_a_stored_model_passes_the_same_check(tmp_path, plugin):
    store = RunStore(tmp_path / "home")
    checkpoint = Checkpoint(store, "run-1", ("somebodys.techniques",))
    mark = several("tuple", str(tmp_path / "mark"))
    for evil in (
        EXPR,
        thing("numpy.memmap"),
        node("ConstructorFromReduceNode", "somebodys.techniques.Model", content=mark),
    ):
        with pytest.raises(RunError, match=r"the stored model contains the type .* it is not loaded"):
            checkpoint.get_model(store.artifacts.put(packed(evil)))
    with pytest.raises(DataError, match=r"the stored model cannot be read as a model: .*truncated"):
        checkpoint.get_model(store.artifacts.put(GOOD[:-40]))
    assert not (tmp_path / "mark").exists()


def test_a_run_whose_model_was_exchanged_neither_predicts_nor_goes_on(cli, refused, arena, tmp_path):
    done = cli("run", "light.yaml", "--data", "jobs.csv", "--assume-approved", "--json")
    assert done.code in {0, 3, 4}, done.err
    store = RunStore(tmp_path / "store")
    evil = store.artifacts.put(packed(EXPR))
    with sqlite3.connect(store.folder / "runs.sqlite") as db:
        db.execute("UPDATE runs SET model = ?", (evil,))
    for arguments in (
        ("predict", "latest", "--data", "jobs.csv"),
        ("resume", "latest"),
        ("report", "latest", "-o", "report.md"),
    ):
        refused(*arguments, match="model|log|changed|seal|deployable|record")
