"""Sessions: all are created by one function with the same options."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from imagesearch.domain.errors import Unavailable
from imagesearch.embedding.session import OnnxSession, open_session, session_options
from models.clip.graphs import build_image_graph
from models.clip.reference import random_pixels
from models.clip.weights import TINY, random_weights
from models.quantization.methods import qdq_int8
from tests.support.paths import REPOSITORY

FACTORY = REPOSITORY / "layers/imagesearch/imagesearch/embedding/session.py"
# Rejects sessions in fast tests.
GUARD = REPOSITORY / "tests/unit/conftest.py"
# Concatenated, so that this file does not contain the name.
MAKER = "Inference" + "Session"


def test_no_other_module_references_the_session_class():
    """Any reference counts, because an alias or a subclass also creates sessions."""
    found = {
        path.relative_to(REPOSITORY).as_posix(): lines
        for path in set(sources()) - {FACTORY, GUARD}
        if (lines := list(naming_sessions(path.read_text("utf-8"))))
    }
    assert found == {}, "create sessions with imagesearch.embedding.session.open_session"


def test_the_check_reads_every_part_of_the_repository():
    found = {path.relative_to(REPOSITORY).parts[0] for path in sources()}
    assert found >= {"benchmarks", "functions", "layers", "local", "models", "tests"}
    assert list(naming_sessions(FACTORY.read_text("utf-8")))


@pytest.mark.parametrize(
    "source",
    [
        f"import onnxruntime\nonnxruntime.{MAKER}(path)",
        f"import onnxruntime as ort\nort.{MAKER}(path)",
        f"from onnxruntime import {MAKER}\n",
        f"from onnxruntime import {MAKER} as Made\nMade(path)",
        f"class Mine(runtime.{MAKER}): ...",
        f"make = getattr(onnxruntime, '{MAKER}')",
    ],
)
def test_every_kind_of_reference_to_the_class_is_found(source):
    assert list(naming_sessions(source))
    assert not list(naming_sessions(source.replace(MAKER, "SessionOptions")))


@pytest.mark.slow
def test_a_lack_of_memory_is_not_an_error_of_the_model(tmp_path):
    """The output has more bytes than the address space of a process."""
    tensors = [
        helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None)
        for name in ("value", "shape", "found")
    ]
    node = helper.make_node("Expand", ["value", "shape"], ["found"])
    graph = helper.make_graph([node], "expand", tensors[:2], tensors[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "expand.onnx")
    session = OnnxSession(tmp_path / "expand.onnx", ["value", "shape"], "found", 1)
    with pytest.raises(Unavailable, match="cannot be run: the memory does not suffice"):
        session.run({"value": np.ones(1, np.int64), "shape": np.full(2, 2**28, np.int64)})


@pytest.mark.slow
def test_calibration_creates_no_session_of_its_own(monkeypatch):
    def plain(*_: object, **__: object) -> None:
        raise AssertionError("a session with onnxruntime's own options")

    calibrate = "onnxruntime.quantization.calibrate.onnxruntime"
    monkeypatch.setattr(calibrate, type("Runtime", (), {MAKER: plain}))
    graph = build_image_graph(TINY, random_weights(TINY, 0))
    pixels = random_pixels(TINY, 0)
    quantized = open_session(qdq_int8(graph, [{"pixel_values": pixels}]).SerializeToString())
    (vectors,) = quantized.run(None, {"pixel_values": pixels})
    assert np.isfinite(vectors).all()


@pytest.mark.slow
def test_a_tool_can_pass_its_own_options():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 3
    model = build_image_graph(TINY, random_weights(TINY, 0)).SerializeToString()
    assert open_session(model, options=options).get_session_options().intra_op_num_threads == 3
    assert open_session(model, 2).get_session_options().intra_op_num_threads == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bind processes to cores")
def test_a_session_has_as_many_threads_as_the_process_has_cores():
    program = """
import os
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
from imagesearch.embedding.session import session_options
print(session_options(None).intra_op_num_threads)
"""
    ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert ran.stdout == b"1\n"
    assert 1 <= session_options(None).intra_op_num_threads <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("has_vnni", "asked", "entries"),
    [(False, 20, ["1", "20"]), (False, 0, ["0", "0"]), (True, 20, ["0", "0"])],
)
def test_threads_spin_if_asked_on_a_cpu_without_vnni(monkeypatch, has_vnni, asked, entries):
    monkeypatch.setattr("imagesearch.embedding.session.plainly_exact", lambda: has_vnni)
    options = session_options(2, asked)
    names = ("session.intra_op.allow_spinning", "session.intra_op.spin_duration_us")
    assert [options.get_session_config_entry(name) for name in names] == entries


def sources() -> Iterator[Path]:
    """Every Python file of the repository, except environments and builds."""
    for place in sorted(REPOSITORY.iterdir()):
        if place.suffix == ".py":
            yield place
        elif place.is_dir() and not place.name.startswith(".") and place.name != "build":
            yield from sorted(place.rglob("*.py"))


def naming_sessions(source: str) -> Iterator[int]:
    """The lines that reference the class as a name, an attribute, an import or a string."""
    if MAKER not in source:  # parsing all files takes seconds
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Name(id=name)
                | ast.Attribute(attr=name)
                | ast.alias(name=name)
                | ast.Constant(value=name)
            ) if name == MAKER:
                yield node.lineno
