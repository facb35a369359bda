"""Checkpoints: exact, atomic, resumable bit for bit after any kill, and safe to read whatever is in the file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors")

import autograd_lite as ag
import nn
from nn.callbacks import Checkpoint, EarlyStopping, Schedule, newest_checkpoint
from nn.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
    write_atomically,
)
from nn.train import Run, fit


def noisy_run(folder: Path | None, epochs: int, seed: int = 0) -> Run:
    """Train a small network with everything random and everything with a memory in it."""
    ag.manual_seed(seed)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(24, 3))
    y = (x.sum(axis=1, keepdims=True) > 0).astype(float)
    model = nn.MLP(3, [4], 1, dropout=0.2, batch_norm=True)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    loader = nn.DataLoader(nn.TensorDataset(x, y), 8, shuffle=True, generator=np.random.default_rng(seed + 5))
    rates = nn.schedule.ExponentialLR(optimizer, 0.99), nn.schedule.ReduceLROnPlateau(optimizer, patience=1)
    memories = [EarlyStopping(patience=1000), Schedule(rates[0], per="batch"), Schedule(rates[1], monitor="val_loss")]
    callbacks = [*([] if folder is None else [Checkpoint(folder)]), *memories]
    run = Run(model, nn.BCEWithLogitsLoss(), optimizer, callbacks=callbacks)
    run.train(loader, epochs, nn.DataLoader(nn.TensorDataset(x, y), 24))
    return run


def fingerprint(run: Run) -> str:
    """Return a digest of weights, optimiser state, history and generators, to the last bit."""
    state = run.state_dict()
    for row in state["history"]["rows"]:
        row.pop("seconds", None)
    digest = hashlib.sha256()

    def add(x: Any) -> None:
        if isinstance(x, dict):
            for key in sorted(x, key=str):
                digest.update(str(key).encode())
                add(x[key])
        elif isinstance(x, (list, tuple)):
            for item in x:
                add(item)
        else:
            digest.update(x.tobytes() if isinstance(x, np.ndarray) else repr(x).encode())

    add({key: value for key, value in state.items() if key != "callbacks"})
    return digest.hexdigest()


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    state = {
        "arrays": {"turned": turned, "strided": np.arange(9)[::2], "number": np.array(3, "i4"), "none": np.empty(0)},
        "big-endian": np.arange(3, dtype=">f8"),
        "flags": np.array([True, False]),
        "by number": {0: {"step": 1}, 7: [1, 2.5, None, True, "text", (1, (2.0,))]},
        "odd": [float("inf"), -0.0, 2**127 + 1, 0.1 + 0.2, np.float64(0.3), np.int64(4), np.float32(0.5)],
        "generator": np.random.default_rng(3).bit_generator.state,
        "twister": np.random.Generator(np.random.MT19937(1)).bit_generator.state,
        "tensor": ag.Tensor(turned),
    }  # fmt: skip
    save_checkpoint(tmp_path / "s", state)
    loaded = load_checkpoint(tmp_path / "s")
    assert list(loaded) == list(state)
    assert loaded["by number"] == state["by number"]
    assert loaded["odd"] == state["odd"]
    assert loaded["generator"] == state["generator"]
    np.testing.assert_array_equal(loaded["tensor"], turned)
    for name, array in state["arrays"].items():  # type: ignore[attr-defined]
        np.testing.assert_array_equal(loaded["arrays"][name], array)
        assert loaded["arrays"][name].dtype == array.dtype
        assert loaded["arrays"][name].flags.writeable
    np.testing.assert_array_equal(loaded["big-endian"], np.arange(3.0))
    np.testing.assert_array_equal(loaded["twister"]["state"]["key"], state["twister"]["state"]["key"])  # type: ignore[index]
    save_checkpoint(tmp_path / "nan", {"x": float("nan"), "y": np.array([np.nan])})
    loaded = load_checkpoint(tmp_path / "nan")
    assert np.isnan(loaded["x"])
    assert np.isnan(loaded["y"]).all()


@pytest.mark.parametrize("thing", [object(), len, {1.5: 2}, b"bytes", {1, 2}, np.array(["text"]), 1j])
def test_objects_are_not_written(thing: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a checkpoint holds numbers, texts and arrays, got \w+ at 'model\.x'"):
        save_checkpoint(tmp_path / "s", {"model": {"x": thing}})
    assert not os.listdir(tmp_path)


def test_a_checkpoint_is_an_ordinary_file(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new" / "file", b"content")
    finally:
        os.umask(umask)
    assert (tmp_path / "new" / "file").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path / "new") == ["file"]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    save_checkpoint(path, {"w": np.arange(3.0), "epoch": 1})
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(CheckpointError, match="not a whole safetensors file"):
            load_checkpoint(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    save_checkpoint(path, {"w": np.arange(3.0), "epoch": 1, "name": "run"})
    whole = path.read_bytes()
    rng = random.Random(0)
    for i in range(len(whole)):
        broken = bytearray(whole)
        broken[i] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


def forged(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def signed(state: str) -> bytes:
    return forged(
        {
            "__metadata__": {
                "format": "nn checkpoint 1",
                "state": state,
                "sha256": hashlib.sha256(state.encode()).hexdigest(),
            }
        }
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x95.",  # a pickle
        forged(b"["),
        forged({"w": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}),
        forged({"w": {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]}}, b"\0" * 8),
        forged({"w": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8),
        forged({key: {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]} for key in "vw"}, b"\0" * 8),
        (2**63).to_bytes(8, "little") + b"{}",
        forged({"__metadata__": {"format": "nn checkpoint 1"}}),
        forged({"__metadata__": {"format": "another"}}),
        forged({"__metadata__": {"format": 7}}),
        forged({}),
        signed("[" * 100_000),
        signed("{}"),
        signed("3"),
        signed('{"array": "missing"}'),
        signed('{"array": ["w"]}'),
        signed('{"dict": 3}'),
        signed('{"dict": [[[], 1]]}'),
        signed('{"dict": [], "tuple": []}'),
        signed('{"reduce": ["os.system", "true"]}'),
        signed("not json"),
        signed('{"dict": [["n", 1' + "0" * 10_000 + "]]}"),
    ],
    ids=str,
)  # fmt: skip
def test_hostile_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="hostile"):
        load_checkpoint(path)


def test_pickle_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.setattr(pickle, "loads", None)
    monkeypatch.setattr(pickle, "load", None)
    monkeypatch.setattr(pickle, "Unpickler", None)
    noisy_run(tmp_path, 1)
    noisy_run(tmp_path, 2)


def test_weights_and_checkpoints_are_told_apart(tmp_path: Path) -> None:
    nn.save_weights(nn.Linear(2, 1), tmp_path / "w")
    with pytest.raises(CheckpointError, match="load_weights reads it"):
        load_checkpoint(tmp_path / "w")


def test_bfloat16_is_read_and_other_strange_dtypes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w"
    numbers = np.array([[1.5, -2.0]], np.float32)
    data = (numbers.view(np.uint32) >> 16).astype("<u2").tobytes()
    path.write_bytes(forged({"w": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]}}, data))
    np.testing.assert_array_equal(nn.load_weights(path)["w"], numbers)
    path.write_bytes(forged({"w": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"\0"))
    with pytest.raises(CheckpointError, match="'w' is of dtype F8_E4M3"):
        nn.load_weights(path)


def test_a_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = noisy_run(None, 7)
    noisy_run(tmp_path, 3)
    resumed = noisy_run(tmp_path, 7, seed=99)  # what another start draws does not matter
    assert len(resumed.history) == 7
    assert fingerprint(resumed) == fingerprint(whole)
    assert sorted(os.listdir(tmp_path)) == [f"epoch-000{n}.safetensors" for n in (5, 6, 7)]
    again = noisy_run(tmp_path, 7)
    assert fingerprint(again) == fingerprint(whole)


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    whole = noisy_run(None, 5)
    noisy_run(tmp_path, 4)
    newest = tmp_path / "epoch-0004.safetensors"
    newest.write_bytes(newest.read_bytes()[:-5])
    with pytest.warns(UserWarning, match=r"(?s)epoch-0004.*not a whole.*epoch-0003"):
        resumed = noisy_run(tmp_path, 5)
    assert fingerprint(resumed) == fingerprint(whole)
    for file in tmp_path.iterdir():
        file.write_bytes(b"")
    with pytest.warns(UserWarning, match="taken"), pytest.raises(CheckpointError):
        newest_checkpoint(tmp_path)
    assert newest_checkpoint(tmp_path / "nowhere") is None


def test_a_run_set_up_differently_is_refused(tmp_path: Path) -> None:
    noisy_run(tmp_path, 1)
    model = nn.MLP(3, [4], 1)
    with pytest.raises(ValueError, match=r"(?s)set up differently: 4 callbacks.*here 1 callbacks.*Set it up as it was"):
        fit(
            model,
            nn.BCEWithLogitsLoss(),
            nn.optim.SGD(model.parameters()),
            (np.ones((2, 3)), np.ones((2, 1))),
            epochs=2,
            callbacks=[Checkpoint(tmp_path)],
            progress=False,
        )


def test_beginning_anew_and_keeping_every_second_epoch(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.0)
    (tmp_path / "epoch-0099.safetensors").write_bytes(b"old")
    (tmp_path / "epoch-last.safetensors").write_bytes(b"yours")
    (tmp_path / ".epoch-0007.safetensors.abc.tmp").write_bytes(b"left over")
    saving = Checkpoint(tmp_path, every=2, keep=None, resume=False)
    data = (np.ones((2, 1)), np.ones((2, 1)))
    fit(model, nn.MSELoss(), optimizer, data, epochs=5, callbacks=[saving], progress=False)
    names = ["epoch-0002", "epoch-0004", "epoch-0005", "epoch-last"]
    assert sorted(os.listdir(tmp_path)) == [f"{name}.safetensors" for name in names]
    with pytest.raises(ValueError, match="at least 1"):
        Checkpoint(tmp_path, every=0)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_killed_fifty_times_gives_the_same_bits(tmp_path: Path) -> None:
    """Kill a training process at random moments: the newest checkpoint always loads, and the end is the same."""
    kills = 50
    rng = random.Random(0)
    epochs, newest = 0, 0
    while kills:
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert child.stdout is not None
        pace = float(child.stdout.readline())  # seconds for a few epochs, imports aside
        for _ in range(25):  # what is killed is a forked twin: it spares the time of the imports
            if not kills:
                break
            twin = int(child.stdout.readline())
            time.sleep(rng.uniform(0, pace))
            os.kill(twin, signal.SIGKILL)
            kills -= 1
            state = newest_checkpoint(tmp_path)
            if state is not None:
                assert state["epoch"] >= newest
                newest = state["epoch"]
                epochs = max(epochs, newest)
        child.kill()
        child.wait()
        child.stdout.close()
    assert epochs > 3
    done = epochs + 2
    assert fingerprint(noisy_run(tmp_path, done)) == fingerprint(noisy_run(None, done))
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


_CHILD = """
import os, sys, tempfile, time
from pathlib import Path
from tests.test_checkpoint import noisy_run
with tempfile.TemporaryDirectory() as folder:
    noisy_run(Path(folder), 1)
    started = time.perf_counter()
    noisy_run(Path(folder), 7)
    print(time.perf_counter() - started, flush=True)
while True:
    twin = os.fork()
    if not twin:
        noisy_run(Path(sys.argv[1]), 100_000)
    print(twin, flush=True)
    os.waitpid(twin, 0)
"""


def test_weights_may_be_a_mapping_and_bear_metadata(tmp_path: Path) -> None:
    from safetensors import safe_open

    path = tmp_path / "some" / "new" / "folder" / "weights.safetensors"
    arrays = {"a": np.arange(3.0), "b": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    save_weights(arrays, path, {"made by": "hand"})
    found = load_weights(path)
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)
    with safe_open(path, "np") as file:
        assert file.metadata()["made by"] == "hand"
    save_weights(nn.Linear(2, 1), path)
    assert sorted(load_weights(path)) == ["bias", "weight"]
    with safe_open(path, "np") as file:
        assert "made by" not in (file.metadata() or {})


def test_arrays_are_named_by_where_they_are(tmp_path: Path) -> None:
    state = {"a": np.zeros(1), "b": {"c": [np.ones(2), (np.ones(3), 4)]}, "d": np.float32(0.5)}
    save_checkpoint(tmp_path / "state", state)
    assert sorted(load_weights(tmp_path / "state")) == ["a", "b.c.0", "b.c.1.0"]
    back = load_checkpoint(tmp_path / "state")
    assert back["d"] == 0.5
    assert back["b"]["c"][1][1] == 4


@pytest.mark.parametrize(("state", "place"), [({"a": object()}, "a"), ({"a": {"b": [1, object()]}}, r"a\.b\.1")])
def test_what_cannot_be_written_is_named(tmp_path: Path, state: dict[str, Any], place: str) -> None:
    with pytest.raises(TypeError, match=f"got object at '{place}'"):
        save_checkpoint(tmp_path / "state", state)
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: Any, **options: Any) -> Any:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(OSError, match="the disk is full"):
        write_atomically(tmp_path / "file", b"content")


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be opened here")
def test_file_and_folder_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: kinds.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)))
    write_atomically(tmp_path / "file", b"content")
    assert kinds == [False, True]
