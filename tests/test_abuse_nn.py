"""What networks must survive: odd batches and sizes, interruptions at any line, and hostile files and disks."""

import json
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import StaleError, Tensor, Value
from nn.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
    write_atomically,
)


class TestLayers:
    @pytest.mark.parametrize(
        ("model", "shape", "out"),
        [
            (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (0, 3), (0, 2)),
            (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh()), (0, 3), (0, 4)),
            (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.MaxPool2d(2)), (0, 2, 6, 6), (0, 3, 2, 2)),
            (lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(6), nn.Dropout(0.5)), (0, 2, 3), (0, 6)),
        ],
        ids=["linear", "batch norm", "convolution", "layer norm"],
    )
    def test_an_empty_batch(self, model, shape, out):
        net = model()
        kept = {name: x.copy() for name, x in net.state_dict().items() if "running" in name}
        x = Tensor(np.zeros(shape), requires_grad=True)
        y = net(x)
        ag.sum(y * y).backward()
        assert y.shape == out
        assert x.grad.shape == shape
        assert all(p.grad.shape == p.shape and not np.any(p.grad) for p in net.parameters())
        for name, before in kept.items():
            np.testing.assert_array_equal(net.state_dict()[name], before)

    def test_batch_norm_of_one_sample_and_of_constants(self):
        layer = nn.BatchNorm1d(3)
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            layer(np.ones((1, 3)))
        x = Tensor(np.full((4, 3), 7.0), requires_grad=True)
        y = layer(x)
        ag.sum(y * np.arange(12.0).reshape(4, 3)).backward()
        np.testing.assert_array_equal(y.numpy(), 0.0)
        assert np.all(np.isfinite(x.grad))
        np.testing.assert_allclose(np.sum(x.grad, axis=0), 0.0, atol=1e-9)
        layer.eval()
        assert np.all(np.isfinite(layer(np.ones((1, 3)))))

    @pytest.mark.parametrize(
        ("layer", "shape", "out"),
        [
            (lambda: nn.Conv2d(1, 1, 2, stride=9), (1, 1, 3, 3), (1, 1, 1, 1)),
            (lambda: nn.Conv2d(1, 1, 3, dilation=2), (1, 1, 5, 6), (1, 1, 1, 2)),
            (lambda: nn.Conv2d(1, 2, 2, padding="same"), (1, 1, 3, 4), (1, 2, 3, 4)),
            (lambda: nn.Conv2d(4, 6, (1, 3), groups=2, padding=(0, 1)), (2, 4, 1, 2), (2, 6, 1, 2)),
            (lambda: nn.Conv2d(2, 3, 3), (0, 2, 4, 4), (0, 3, 2, 2)),
            (lambda: nn.Conv1d(1, 1, 5, padding=4, stride=3), (1, 1, 1), (1, 1, 2)),
        ],
        ids=["long stride", "dilation", "same, even kernel", "groups", "empty batch", "more padding than signal"],
    )
    def test_odd_convolutions(self, layer, shape, out):
        layer, x = layer(), np.random.default_rng(0).standard_normal(shape)
        assert layer(x).shape == out
        if x.size:
            assert ag.gradcheck(layer, x)
        ag.sum(layer(Tensor(x))).backward()
        assert layer.weight.grad.shape == layer.weight.shape

    @pytest.mark.parametrize(
        ("call", "said"),
        [
            (lambda: nn.Conv2d(1, 1, 7)(np.zeros((1, 1, 3, 3))), "at least (7, 7)"),
            (lambda: nn.Conv2d(1, 1, 2, dilation=5)(np.zeros((1, 1, 3, 3))), "at least (6, 6)"),
            (lambda: nn.Conv2d(3, 4, 2, groups=2), "in_channels=3, out_channels=4 must be multiples of groups=2"),
            (lambda: nn.Conv2d(1, 1, 2, stride=0)(np.zeros((1, 1, 3, 3))), "stride must be at least 1"),
            (lambda: nn.Conv2d(2, 1, 2)(np.zeros((1, 1, 3, 3))), "(1, 1, 3, 3)"),
        ],
        ids=["kernel too large", "dilation too large", "groups", "stride 0", "channels"],
    )
    def test_impossible_convolutions(self, call, said):
        with pytest.raises(ValueError, match=re.escape(said)):
            call()


def interrupted(n, action, applies):
    """Do something with Ctrl-C at the n-th line that counts; return whether it came to that."""
    seen = [0, False]

    def trace(frame, event, _):
        if event == "line" and applies(frame) and not seen[1]:
            seen[0] += 1
            if seen[0] == n:
                seen[1] = True
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return seen[1]


class TestInterruptions:
    @pytest.mark.parametrize("face", [Tensor, Value])
    @pytest.mark.parametrize(
        "make",
        [
            lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
            lambda p: nn.optim.Adam(p, lr=0.1, amsgrad=True),
            lambda p: nn.optim.AdamW(p, lr=0.1),
            lambda p: nn.optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
        ],
        ids=["SGD", "Adam", "AdamW", "RMSprop"],
    )
    def test_a_step_interrupted_at_any_line(self, make, face):
        def trained():
            if face is Tensor:
                params = [Tensor([1.0, -2.0], requires_grad=True), Tensor([[0.5]], requires_grad=True)]
            else:
                params = [Value(1.0), Value(-2.0)]
            optimizer = make(params)
            for _ in range(2):
                optimizer.zero_grad()
                loss = ag.sum([ag.sum(p * p * p) for p in params])
                loss.backward()
                before = np.concatenate([np.ravel(p.grad) for p in params])
                if _ == 0:
                    optimizer.step()
            return params, optimizer, loss, before

        def numbers(params):
            return np.concatenate([np.ravel(p.data) for p in params])

        params, optimizer, _, _ = trained()
        old = numbers(params)
        optimizer.step()
        new = numbers(params)
        moved = 0
        for n in range(1, 200):
            params, optimizer, loss, gradient = trained()
            seen = set()

            def counts(frame, seen=seen):
                # After the update the graphs that it made stale are marked.
                place = Path(frame.f_code.co_filename)
                seen.add(frame.f_code.co_name)
                return place.parent.name == "optim" and not (place.name == "base.py" and "_update" in seen)

            hit = interrupted(n, optimizer.step, counts)
            found = numbers(params)
            assert np.array_equal(found, old) or np.array_equal(found, new), f"interrupted at line {n}: half a step"
            optimizer.zero_grad()
            try:
                loss.backward()
            except StaleError:
                moved += 1
            else:
                assert np.array_equal(found, old), f"interrupted at line {n}: a stale graph that is not noticed"
                np.testing.assert_array_equal(np.concatenate([np.ravel(p.grad) for p in params]), gradient)
            if not hit:
                break
        assert n > 10
        assert moved > 0
        assert not hit

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the file that was just opened
    def test_a_write_interrupted_at_any_line(self, tmp_path):
        path = tmp_path / "file"
        contents = set()
        for n in range(1, 100):
            write_atomically(path, b"old")
            hit = interrupted(
                n,
                lambda: write_atomically(path, b"new"),
                lambda frame: frame.f_code.co_filename.endswith("checkpoint.py"),
            )
            contents.add(path.read_bytes())
            assert os.listdir(tmp_path) == ["file"], f"interrupted at line {n}"
            if not hit:
                break
        assert not hit
        assert n > 5
        assert contents == {b"old", b"new"}


def loaded(load, path):
    """Return why a file is refused, and what it holds when it is not."""
    try:
        return "", load(path)
    except CheckpointError as error:
        return str(error), {}


FULL_DISK = """
import resource, signal, sys
import numpy as np
from nn.checkpoint import save_checkpoint, save_weights
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for save in (lambda x: save_weights(x, sys.argv[1]), lambda x: save_checkpoint(sys.argv[2], x)):
    try:
        save({"w": np.ones(100_000)})
    except OSError as error:
        print(type(error).__name__, error.errno)
"""


class TestFiles:
    @pytest.fixture(autouse=True)
    def _safetensors(self):
        pytest.importorskip("safetensors")

    def test_a_full_disk(self, tmp_path):
        pytest.importorskip("resource")
        weights, state = tmp_path / "weights", tmp_path / "state"
        save_weights({"w": np.zeros(3)}, weights)
        save_checkpoint(state, {"epoch": 3})
        command = [sys.executable, "-c", FULL_DISK, weights, state]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.split() == ["OSError", "27", "OSError", "27"]  # too large a file
        assert load_weights(weights)["w"].tolist() == [0.0] * 3
        assert load_checkpoint(state) == {"epoch": 3}
        assert sorted(os.listdir(tmp_path)) == ["state", "weights"]

    def test_places_that_cannot_be_written(self, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "kept").write_text("kept")
        (tmp_path / "file").write_text("kept")
        for path in (tmp_path / "folder", tmp_path / "file" / "weights"):
            with pytest.raises(OSError, match=r"folder|file"):
                save_weights({"w": np.zeros(3)}, path)
        assert os.listdir(tmp_path / "folder") == ["kept"]
        (tmp_path / "folder").chmod(0o500)
        if not os.access(tmp_path / "folder", os.W_OK):  # root may write anywhere
            with pytest.raises(PermissionError):
                save_weights({"w": np.zeros(3)}, tmp_path / "folder" / "weights")
        (tmp_path / "folder").chmod(0o700)
        assert (tmp_path / "file").read_text() == "kept"
        assert sorted(os.listdir(tmp_path)) == ["file", "folder"]

    @pytest.mark.parametrize("name", ["größe ✓ 重み.st", "a" * 250, " spaces ", "no-suffix", ".hidden"])
    def test_unusual_names_and_links(self, name, tmp_path):
        real = tmp_path / "real"
        real.mkdir()
        for value in (1.0, 2.0):
            save_weights({"w": np.array(value)}, real / name)
        assert load_weights(str(real / name))["w"] == 2.0
        link = tmp_path / "link"
        link.symlink_to(real / name)
        save_weights({"w": np.array(3.0)}, link)
        assert link.is_symlink()
        assert load_weights(link)["w"] == load_weights(real / name)["w"] == 3.0
        assert os.listdir(real) == [name]

    @pytest.mark.parametrize(
        "header",
        [
            '{"w": {"dtype": "F64", "shape": [100000000000], "data_offsets": [0, 800000000000]}}',
            '{"w": {"dtype": "F64", "shape": [4294967296, 4294967296], "data_offsets": [0, 8]}}',
            '{"w": {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]}}',
            '{"w": {"dtype": "F64", "shape": [1], "data_offsets": [8, 0]}}',
            '{"w": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}, '
            '"v": {"dtype": "F64", "shape": [1], "data_offsets": [4, 12]}}',
            "{" + ", ".join(f'"{i}": {{}}' for i in range(1000)) + "}",
        ],
        ids=["800 GB", "overflow", "negative", "backwards", "overlapping", "empty entries"],
    )
    def test_lying_headers_cost_no_memory(self, header, tmp_path):
        path = tmp_path / "lying"
        path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + b"\0" * 16)
        tracemalloc.start()
        try:
            for load in (load_weights, load_checkpoint):
                with pytest.raises(CheckpointError, match="lying"):
                    load(path)
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()

    def test_a_damaged_tensor_is_named(self, tmp_path):
        arrays = {"first": np.arange(4.0), "second": np.arange(6, dtype=np.float32)}
        for save, load, name in ((save_weights, load_weights, "w"), (save_checkpoint, load_checkpoint, "s")):
            path = tmp_path / name
            save(*((arrays, path) if save is save_weights else (path, arrays)))
            whole = path.read_bytes()
            start = 8 + int.from_bytes(whole[:8], "little")
            for i in range(len(whole)):
                broken = bytearray(whole)
                broken[i] ^= 1 << i % 8
                path.write_bytes(broken)
                refusal, found = loaded(load, path)
                if i >= start:
                    assert "does not fit its checksum" in refusal
                    assert ("'first'" in refusal) != ("'second'" in refusal)
                elif refusal:
                    assert path.name in refusal
                else:  # a key that is for other readers
                    assert all(np.array_equal(found.pop(key), x) for key, x in arrays.items())
                    assert not found

    def test_weights_of_other_programs_have_no_checksums(self, tmp_path):
        from safetensors.numpy import load_file, save_file

        save_file({"w": np.arange(3.0)}, tmp_path / "theirs")
        assert load_weights(tmp_path / "theirs")["w"].tolist() == [0.0, 1.0, 2.0]
        save_weights({"w": np.arange(3.0)}, tmp_path / "ours", metadata={"epoch": "3"})
        assert load_file(tmp_path / "ours")["w"].tolist() == [0.0, 1.0, 2.0]

    def test_names_of_tensors_are_no_paths(self, tmp_path):
        inner = tmp_path / "inner"
        inner.mkdir()
        names = ["../../evil", "/evil", "C:\\evil", "nul\0byte", "a/b", ".."]
        save_weights({name: np.ones(2) for name in names}, inner / "weights")
        assert sorted(load_weights(inner / "weights")) == sorted(names)
        save_checkpoint(inner / "state", {name: np.ones(2) for name in names})
        assert sorted(load_checkpoint(inner / "state")) == sorted(names)
        assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == sorted(
            ["inner", str(Path("inner", "state")), str(Path("inner", "weights"))]
        )

    def test_tied_weights_are_stepped_once_and_stay_tied(self, tmp_path):
        def tied():
            net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
            net[1].weight = net[0].weight
            return net

        net = tied()
        optimizer = nn.optim.SGD(net.parameters(), lr=0.1)
        before = net[0].weight.numpy().copy()
        net(np.ones((1, 2))).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(net[0].weight.numpy(), before - 0.1 * net[0].weight.grad, rtol=1e-15)
        assert len(list(net.parameters())) == 1
        save_weights(net, tmp_path / "weights")
        other = tied()
        other.load_state_dict(load_weights(tmp_path / "weights"))
        assert other[0].weight is other[1].weight
        np.testing.assert_array_equal(other[1].weight.numpy(), net[0].weight.numpy())

    def test_a_file_of_a_later_version(self, tmp_path):
        path = tmp_path / "later"
        save_checkpoint(path, {"epoch": 3})
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        header["__metadata__"]["format"] = "nn checkpoint 2"
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
        with pytest.raises(CheckpointError, match=r"'nn checkpoint 2'.*update nn"):
            load_checkpoint(path)
