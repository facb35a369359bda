"""The pictures of training show the recorded numbers, say what is missing, and are valid files."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn import plots
from nn.plots import look
from nn.plots.answers import probabilities
from nn.plots.boundary import chosen_epochs
from nn.plots.curves import best_epoch
from nn.plots.ridges import density

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

Array = np.ndarray[Any, Any]
NOTHING = r"record it with nn\.train\.fit\(\.\.\., callbacks=\[nn\.plots\.Recorder\(\)\]\)"


def history(**columns: Any) -> nn.History:
    made = nn.History()
    for i in range(len(next(iter(columns.values())))):
        made.append({"epoch": i + 1, **{name: values[i] for name, values in columns.items()}})
    return made


class Trained:
    """A network on points in the plane, and the record of its training."""

    def __init__(self, epochs: int = 5, model: nn.Module | None = None, **options: Any) -> None:
        ag.manual_seed(0)
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(90, 2))
        self.y = (self.x[:, 0] + self.x[:, 1] ** 2 > 0.5).astype(int)
        self.model = model or nn.MLP(2, [6, 4], 1)
        self.loss, self.data = nn.BCEWithLogitsLoss(), (self.x, self.y[:, None].astype(float))
        self.recorder = plots.Recorder(every=1, **options)
        optimizer = nn.optim.SGD(self.model.parameters(), lr=0.2)
        self.history = nn.train.fit(
            self.model, self.loss, optimizer, self.data, epochs=epochs, callbacks=[self.recorder],
            validation=self.data, metrics=["accuracy"], progress=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def line(axes: Any, label: str) -> tuple[Array, Array]:
    """Return the data of the line whose label begins so."""
    (found,) = [x for x in axes.lines if str(x.get_label()).startswith(label)]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def test_learning_curves_show_the_history() -> None:
    runs = history(loss=[0.9, 0.3, 0.1], val_loss=[0.8, 0.2, 0.4], accuracy=[0.5, 0.7, 0.9], lr=[1, 1, 1])
    figure = plots.learning_curves(runs, title="A title")
    loss, accuracy = figure.axes
    for label, column in (("training", "loss"), ("validation", "val_loss")):
        x, y = line(loss, label)
        assert x.tolist() == [1, 2, 3]
        assert y.tolist() == runs[column]
    assert line(accuracy, "training")[1].tolist() == runs["accuracy"]
    assert [a.get_title(loc="left") for a in figure.axes] == ["loss", "accuracy"]
    assert (loss.get_yscale(), accuracy.get_yscale()) == ("log", "linear")
    assert "log scale" in loss.get_ylabel()
    assert line(loss, "best: epoch 2, 0.2")[1].tolist() == [0.2]
    assert not [x for x in accuracy.lines if str(x.get_label()).startswith("best")], "there is no validation"
    assert figure.get_suptitle() == "A title"
    training, validation = loss.lines[:2]
    looks = [(x.get_color(), x.get_linestyle(), x.get_marker()) for x in (training, validation)]
    assert all(a != b for a, b in zip(*looks, strict=True)), "colour, dashes and marker all differ"


def test_the_best_epoch_is_the_least_loss_and_the_greatest_score() -> None:
    pairs = [(1, 0.5), (2, float("nan")), (3, 0.2), (4, 0.9), (5, float("inf"))]
    for name in ("loss", "test_error", "mae"):
        assert best_epoch(name, pairs) == (3, 0.2)
    assert best_epoch("accuracy", pairs) == (4, 0.9)
    assert best_epoch("loss", [(1, float("nan"))]) is None


def test_what_is_not_finite_is_a_gap_with_a_cross() -> None:
    nan, inf = float("nan"), float("inf")
    (axes,) = plots.learning_curves(history(loss=[0.9, nan, 0.5, inf, 0.4], val_loss=[1.0, 0.8, nan, nan, nan])).axes
    _, y = line(axes, "training, 0.4 at the end\n× NaN or infinite: 2 from 2 on")
    assert np.isnan(y).tolist() == [False, True, False, True, False]
    crosses = [x for x in axes.lines if x.get_gid() == "not finite"]
    assert [np.asarray(c.get_xdata()).tolist() for c in crosses] == [[2, 4], [3, 4, 5]]
    assert len({c.get_ydata()[0] for c in crosses}) == 2, "crosses of two curves do not lie on one another"
    assert axes.lines[0].get_markevery() == [0, 2, 4], "a number that stands alone has a marker"
    assert line(axes, "validation, NaN at the end")[0].size == 5
    (axes,) = plots.learning_curves(history(loss=[nan, nan])).axes
    assert axes.get_yscale() == "linear"
    (axes,) = plots.learning_curves(history(loss=[0.5, 0.0])).axes
    assert axes.get_yscale() == "linear", "0 has no logarithm"


def test_histories_of_one_epoch_and_of_none() -> None:
    (axes,) = plots.learning_curves(history(loss=[0.5], val_loss=[0.6])).axes
    assert axes.get_xlim() == (0, 2)
    assert axes.lines[0].get_markevery() == [0]
    with pytest.raises(ValueError, match="the history has no epoch yet: train first"):
        plots.learning_curves(nn.History())
    with pytest.raises(TypeError, match="got list"):
        plots.learning_curves([0.5])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no numbers called 'los'; it has loss"):
        plots.learning_curves(history(loss=[0.5]), ["los"])
    with pytest.raises(ValueError, match="holds no figure to draw"):
        plots.learning_curves(history(lr=[0.5]))


def test_axes_are_taken_and_no_global_state_is_touched() -> None:
    figure, ((left, right),) = plots.panels(1, 2)
    runs = history(loss=[0.9, 0.3], accuracy=[0.1, 0.2])
    assert plots.learning_curves(runs, ax=left) is figure
    assert plots.learning_curves(runs, ["accuracy"], ax=right) is figure
    assert [a.get_title(loc="left") for a in figure.axes] == ["loss", "accuracy"]
    with pytest.raises(ValueError, match="one axes can show one column, got 2"):
        plots.learning_curves(runs, ["loss", "accuracy"], ax=left)
    with pytest.raises(TypeError, match="ax must be matplotlib axes, got str"):
        plots.learning_curves(runs, ax="left")
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_pictures_are_saved_by_suffix(suffix: str, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"picture.{suffix}"
    figure = plots.learning_curves(history(loss=[0.9, 0.3]), path=path)
    assert path.read_bytes().startswith(start)
    if suffix == "svg":
        assert ET.parse(path).getroot().tag.endswith("svg")
    assert figure._repr_png_().startswith(b"\x89PNG"), "a notebook shows it"
    with pytest.raises(ValueError, match=r"saved as one of \.png, \.svg, \.pdf, by its suffix; got 'picture'"):
        plots.learning_curves(history(loss=[0.9, 0.3]), path=tmp_path / "picture")


def test_runs_side_by_side() -> None:
    runs = {"SGD": history(loss=[0.9, 0.3]), "Adam": history(loss=[0.8, 0.1])}
    (axes,) = plots.compare_runs(runs, title="Two").axes
    for name, run in runs.items():
        assert line(axes, name)[1].tolist() == run["loss"]
    with pytest.raises(ValueError, match="the history of 'SGD' has no numbers called 'lr'; it has epoch, loss"):
        plots.compare_runs(runs, "lr")
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.compare_runs({})


def test_lines_are_told_apart_without_colour() -> None:
    looks = [look.style(i) for i in range(28)]
    assert len({(s["linestyle"], s["marker"]) for s in looks}) == 28
    with pytest.raises(ValueError, match="'a' has 2 x and 1 y"):
        plots.lines({"a": ([1, 2], [3])})
    (axes,) = plots.lines({"a": [-1.0, 0.0]}, log=True).axes
    assert axes.get_yscale() == "linear"
    for values in ([1e-9, 1.0], [0.5, 0.6], [0.1, 0.7], [0.01, 1.0]):
        figure = plots.lines({"a": values}, log=True)
        figure.canvas.draw()
        assert len([t for t in figure.axes[0].get_yticklabels() if t.get_text()]) >= 3, values


def test_norms_and_ratios_show_the_record(trained: Trained) -> None:
    recorder = trained.recorder
    chosen = ["0.weight", "2.weight", "4.weight"]
    columns = [recorder.names.index(n) for n in chosen]
    gradients = recorder.norms("gradient")[:, columns]
    ratios = (recorder.norms("update") / recorder.norms("weight"))[:, columns]
    for draw, values in ((plots.gradient_norms, gradients), (plots.update_ratios, ratios)):
        (axes,) = draw(recorder).axes
        for name, expected in zip(chosen, values.T, strict=True):
            x, y = line(axes, name)
            assert x.tolist() == recorder.epochs
            np.testing.assert_array_equal(y, expected)
        assert axes.get_yscale() == "log"
    assert any("a good pace" in text.get_text() for text in axes.get_legend().get_texts())
    (axes,) = plots.gradient_norms(recorder, ["0.bias"]).axes
    np.testing.assert_array_equal(line(axes, "0.bias")[1], recorder.norms("gradient")[:, 1])
    with pytest.raises(ValueError, match=r"there is no parameter 'x'; there are 0\.weight"):
        plots.gradient_norms(recorder, ["x"])


def test_many_layers_are_a_map(tmp_path: Path) -> None:
    layers = [module for _ in range(9) for module in (nn.Linear(2, 2), nn.Tanh())]
    deep = Trained(3, nn.Sequential(*layers, nn.Linear(2, 1)))
    recorder = deep.recorder
    axes = plots.gradient_norms(recorder, path=tmp_path / "map.png").axes[0]
    weights = [n for n in recorder.names if n.endswith("weight")]
    columns = [recorder.names.index(n) for n in weights]
    np.testing.assert_array_equal(axes.images[0].get_array(), recorder.norms("gradient")[:, columns].T)
    assert [t.get_text() for t in axes.get_yticklabels()] == weights
    assert axes.texts[0].get_text() == f"{recorder.norms('gradient')[-1, columns[0]]:.1e}"
    axes = plots.dead_units(recorder).axes[0]
    shares = [[stuck / total for stuck, total in counts] for counts in recorder.dead.values()]
    np.testing.assert_array_equal(axes.images[0].get_array(), shares)


def test_dead_units_show_the_record() -> None:
    model = nn.MLP(2, [6, 4], 1)
    model.get_parameter("2.bias").data = np.array([-100.0, 0.0, -100.0, 0.0])
    recorder = Trained(3, model).recorder
    (axes,) = plots.dead_units(recorder).axes
    for path, counts in recorder.dead.items():
        x, y = line(axes, f"{path} ReLU: {counts[-1][0]} of {counts[-1][1]} at the end")
        assert x.tolist() == [1, 2, 3]
        assert y.tolist() == [stuck / total for stuck, total in counts]
    assert recorder.dead["3"][-1][0] >= 2
    bare = Trained(2, nn.Sequential(nn.Linear(2, 1))).recorder
    with pytest.raises(ValueError, match="the model has no activation module"):
        plots.dead_units(bare)


def test_ridges_are_the_densities_of_the_record(trained: Trained) -> None:
    recorder = trained.recorder
    figure = plots.distributions(recorder, ridges=3)
    assert [a.get_title(loc="left") for a in figure.axes] == ["0.weight (6×2)", "2.weight (4×6)", "4.weight (1×4)"]
    for axes, name in zip(figure.axes, ["0.weight", "2.weight", "4.weight"], strict=True):
        epochs, numbers = recorder.distribution("weight", name)
        ridges = {x.get_gid(): x for x in axes.lines if str(x.get_gid()).startswith("epoch")}
        assert list(ridges) == ["epoch 0", "epoch 2", "epoch 5"]
        assert [t.get_text() for t in axes.get_yticklabels()] == ["5", "2", "0"]
        for base, (epoch, ridge) in zip((2, 1, 0), ridges.items(), strict=True):
            values = numbers[epochs.index(int(epoch.split()[1]))]
            x, heights = np.asarray(ridge.get_xdata()), np.asarray(ridge.get_ydata()) - base
            expected = density(values, x, 0.02 * np.ptp(numbers[[0, 2, 5]]))
            np.testing.assert_allclose(heights, 1.7 * expected / expected.max(), atol=1e-9)


def test_a_density_is_one() -> None:
    x = np.linspace(-9, 9, 2001)
    values = np.random.default_rng(0).normal(1.0, 2.0, 4000)
    found = density(values, x, 0.01)
    assert np.trapezoid(found, x) == pytest.approx(1.0, abs=1e-3)
    normal = np.exp(-((x - 1) ** 2) / 8) / np.sqrt(8 * np.pi)
    np.testing.assert_allclose(found, normal, atol=0.02)
    assert np.trapezoid(density(np.zeros(5), x, 0.1), x) == pytest.approx(1.0, abs=1e-6)
    assert density(np.zeros(0), x, 0.1).max() == 0


def test_gradients_that_are_zero_or_not_finite_are_counted(trained: Trained) -> None:
    recorder = plots.Recorder()
    recorder.load_state_dict({**trained.recorder.state_dict(), "samples": 500})
    first = recorder._gradients.arrays[0]
    first[:3], first[3:6] = 0.0, np.nan
    (axes,) = plots.distributions(recorder, "gradient", ["0.weight"], ax=plots.panels(1, 1)[1][0, 0]).axes
    assert [t.get_text().strip() for t in axes.texts] == ["3 not finite, 25 % zeros"]
    sizes = [np.log10(np.abs(a[:12][a[:12] != 0])) for a in recorder._gradients.arrays]
    known = np.concatenate(sizes)
    known = known[np.isfinite(known)]
    ridge = next(x for x in axes.lines if x.get_gid() == "epoch 1")
    x, heights = np.asarray(ridge.get_xdata()), np.asarray(ridge.get_ydata()) - 4
    expected = density(sizes[0][np.isfinite(sizes[0])], x, 0.02 * np.ptp(known))
    np.testing.assert_allclose(heights, 1.7 * expected / expected.max(), atol=1e-9)
    with pytest.raises(ValueError, match="one axes can show one parameter, got 3"):
        plots.distributions(recorder, ax=axes)
    with pytest.raises(ValueError, match="not of 'weights'"):
        plots.distributions(recorder, "weights")
    with pytest.raises(ValueError, match="ridges must be at least 1"):
        plots.distributions(recorder, ridges=0)


RECORDED = {
    "gradient_norms": plots.gradient_norms,
    "update_ratios": plots.update_ratios,
    "dead_units": plots.dead_units,
    "distributions": plots.distributions,
    "boundary_strip": lambda r: plots.boundary_strip(r, nn.Linear(2, 1), [[0.0, 0.0]], [0]),
    "boundary_film": lambda r: plots.boundary_film(r, nn.Linear(2, 1), [[0.0, 0.0]], [0], "film.gif"),
    "loss_surface": lambda r: plots.loss_surface(r, nn.Linear(2, 1), nn.MSELoss(), ([[0.0, 0.0]], [[0.0]])),
}


@pytest.mark.parametrize("draw", RECORDED.values(), ids=RECORDED)
def test_what_was_not_recorded_is_named(draw: Any) -> None:
    with pytest.raises(ValueError, match=f"this Recorder has seen no training.*{NOTHING}"):
        draw(plots.Recorder())
    with pytest.raises(TypeError, match=f"is drawn from a Recorder, got History: {NOTHING}"):
        draw(nn.History())


@pytest.mark.parametrize("name", ["boundary_strip", "boundary_film", "loss_surface"])
def test_without_snapshots_there_is_no_film(name: str) -> None:
    recorder = Trained(1, nn.Linear(2, 1), snapshots=False).recorder
    with pytest.raises(ValueError, match=r"kept no weights.*Recorder\(snapshots=True\)"):
        RECORDED[name](recorder)


@pytest.mark.parametrize("epochs", [1, 2])
def test_runs_of_one_and_two_epochs_can_be_drawn(epochs: int, tmp_path: Path) -> None:
    one = Trained(epochs)
    for name in ("gradient_norms", "update_ratios", "dead_units", "distributions"):
        RECORDED[name](one.recorder).savefig(tmp_path / f"{name}.png")
    figure = plots.boundary_strip(one.recorder, one.model, one.x, one.y)
    assert len(figure.axes) == epochs + 1
    plots.loss_surface(one.recorder, one.model, one.loss, one.data, steps=5, path=tmp_path / "surface.png")


def test_a_decision_boundary_shows_what_the_model_says(trained: Trained) -> None:
    before = trained.model.state_dict()
    extent = (-1.0, 2.0, -3.0, 4.0)
    figure = plots.decision_boundary(trained.model, trained.x, trained.y[:, None], extent=extent, steps=9, title="T")
    (axes,) = figure.axes
    (mesh,) = [c for c in axes.collections if type(c).__name__ == "QuadMesh"]
    grid = np.meshgrid(np.linspace(-1, 2, 9), np.linspace(-3, 4, 9))
    logits = nn.train.predict(trained.model, np.column_stack([g.ravel() for g in grid]))
    np.testing.assert_allclose(np.ravel(mesh.get_array()), 1 / (1 + np.exp(-logits[:, 0])), rtol=1e-12)
    assert (axes.get_xlim(), axes.get_ylim()) == ((-1, 2), (-3, 4))
    points = {c.get_label(): c for c in axes.collections if c.get_label() in ("class 0", "class 1")}
    for k in range(2):
        np.testing.assert_array_equal(points[f"class {k}"].get_offsets(), trained.x[trained.y == k])
    shapes = [c.get_paths()[0].vertices.shape for c in points.values()]
    assert shapes[0] != shapes[1], "classes differ in shape too"
    for key, x in trained.model.state_dict().items():
        np.testing.assert_array_equal(x, before[key])


def test_boundaries_of_several_classes_estimators_and_functions() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), np.arange(30) % 3
    names = ["ash", "birch", "cedar"]
    for classes, target in ((3, y), (2, np.minimum(y, 1))):
        model = nn.Linear(2, classes)
        figure = plots.decision_boundary(model, x, target, names=names, steps=8)
        texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
        assert texts == names[:classes]
        p = probabilities(model, x)
        scores = nn.train.predict(model, x)
        expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(p, expected if classes == 3 else expected[:, 1], rtol=1e-12)
    words = np.array(["no", "yes", "perhaps"])[y]
    fitted = LogisticRegression().fit(x, words)
    (axes,) = plots.decision_boundary(fitted, x, words, steps=8).axes
    points = {c.get_label(): c.get_offsets() for c in axes.collections if c.get_label() in set(words)}
    assert list(points) == ["no", "perhaps", "yes"]
    for word, places in points.items():
        np.testing.assert_array_equal(places, x[words == word])
    with pytest.raises(ValueError, match=r"y holds \['never'\], of which the model knows nothing"):
        plots.decision_boundary(fitted, x[:1], ["never"])
    plots.decision_boundary(lambda p: np.full(len(p), 0.2), x, np.zeros(30), steps=8)  # one class, no line
    for last, expected in (
        (nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), lambda z: z[:, 0]),
        (nn.Sequential(nn.Linear(2, 3), nn.Softmax()), lambda z: z),
        (nn.Sequential(nn.Linear(2, 3), nn.LogSoftmax()), np.exp),
    ):
        np.testing.assert_allclose(probabilities(last, x), expected(nn.train.predict(last, x)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 4)), np.zeros(3), r"X must have shape \(N, 2\), got \(3, 4\)"),
        (np.zeros((3, 2)), np.zeros(2), "got 3 and 2"),
        (np.zeros((0, 2)), np.zeros(0), "got 0 and 0"),
        (np.full((1, 2), np.nan), np.zeros(1), "X holds NaN"),
        (np.zeros((1, 2)), np.full(1, 0.5), "y must be classes numbered 0, 1"),
        (np.zeros((1, 2)), ["no"], "y must be classes numbered 0, 1"),
    ],
)
def test_what_is_no_plane_or_no_class_is_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plots.decision_boundary(nn.Linear(2, 1), x, y)


def test_what_is_no_classifier_is_refused() -> None:
    x, y = np.zeros((2, 2)), [0, 1]
    with pytest.raises(TypeError, match="must be a Module, a fitted classifier or a callable, got int"):
        plots.decision_boundary(3, x, y)
    with pytest.raises(ValueError, match=r"the model gave shape \(1,\) for"):
        plots.decision_boundary(lambda points: np.zeros(1), x, y)


def test_the_strip_shows_each_epoch_with_its_own_weights(trained: Trained, tmp_path: Path) -> None:
    before = trained.model.state_dict()
    figure = plots.boundary_strip(
        trained.recorder, trained.model, trained.x, trained.y, frames=3, steps=7, extent=(-1, 1, -1, 1),
        path=tmp_path / "strip.png",
    )  # fmt: skip
    grid = np.column_stack([g.ravel() for g in np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 7))])
    states = trained.recorder.states()
    picked = [states[i] for i in chosen_epochs(len(states), 3)]
    assert [epoch for epoch, _ in picked] == [0, 1, 5]
    other = nn.MLP(2, [6, 4], 1)
    for axes, (epoch, state) in zip(figure.axes, picked, strict=True):
        other.load_state_dict(state)
        right = np.mean((nn.train.predict(other, trained.x)[:, 0] > 0) == trained.y)
        assert axes.get_title() == f"epoch {epoch}: accuracy {right:.3f}"
        (mesh,) = [c for c in axes.collections if type(c).__name__ == "QuadMesh"]
        np.testing.assert_allclose(np.ravel(mesh.get_array()), probabilities(other, grid), rtol=1e-12)
    for key, x in trained.model.state_dict().items():
        np.testing.assert_array_equal(x, before[key])


def test_chosen_epochs_begin_and_end_where_the_training_does() -> None:
    for count, wanted in ((1, 6), (2, 6), (7, 6), (101, 6), (101, 40), (3, 1)):
        chosen = chosen_epochs(count, wanted)
        assert chosen[0] == 0
        assert chosen[-1] == (count - 1 if wanted > 1 else 0)
        assert len(chosen) <= wanted
        assert sorted(set(chosen)) == chosen


def test_the_loss_surface_is_the_loss(trained: Trained) -> None:
    before = trained.model.state_dict()
    figure = plots.loss_surface(trained.recorder, trained.model, trained.loss, trained.data, steps=7)
    for key, x in trained.model.state_dict().items():
        np.testing.assert_array_equal(x, before[key])
    axes = figure.axes[0]
    x, y = line(axes, "way of the weights")
    states = trained.recorder.states()
    assert len(x) == len(states)
    assert (x[-1], y[-1]) == pytest.approx((0, 0))
    names = list(states[0][1])
    moves = [np.concatenate([(s[n] - states[-1][1][n]).ravel() for n in names]) for _, s in states]
    lengths = np.linalg.norm(moves, axis=1)
    assert (np.hypot(x, y) <= lengths + 1e-9).all(), "a projection is no longer than what it is of"
    share = sum(int(n) for n in re.findall(r"\((\d+) %", axes.get_xlabel() + axes.get_ylabel()))
    assert share == pytest.approx(100 * np.sum(x**2 + y**2) / np.sum(lengths**2), abs=1.1)
    assert axes.lines[1].get_label() == "epoch 0"
    assert axes.lines[2].get_label() == "epoch 5"


def test_the_heights_of_the_surface_are_where_they_belong() -> None:
    """On a linear model the loss is a known parabola, at every point of the plane."""
    from nn.plots import landscape

    model = nn.Linear(2, 1, bias=False)
    x = np.random.default_rng(0).normal(size=(40, 2))
    end, directions = np.array([1.0, 2.0]), np.array([[0.6, 0.8], [-0.8, 0.6]])
    a, b = np.array([-1.0, 0.5]), np.array([0.0, 2.0, 3.0])
    found = landscape._heights(
        model, nn.MSELoss(), (x, np.zeros((40, 1))), {"weight": end[None]}, ["weight"], end, directions, a, b
    )
    weights = end + a[None, :, None] * directions[0] + b[:, None, None] * directions[1]
    np.testing.assert_allclose(found, np.mean((weights @ x.T) ** 2, axis=-1), rtol=1e-12)


def test_a_way_along_one_line_still_spans_a_plane() -> None:
    from nn.plots.landscape import _directions

    directions, shares = _directions(np.outer([3.0, 1.0, 0.0], [0.6, 0.8, 0.0]))
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)
    assert shares == pytest.approx([1, 0])


def test_a_surface_and_the_paths_on_it() -> None:
    paths = {"down": [[1.0, 1.0], [0.5, 0.2], [0.1, 0.0]], "away": [[1.0, 1.0], [2.0, np.nan]]}
    (axes,) = plots.surface(lambda x, y: x**2 + 4 * y**2, paths, (-2, 2, -2, 2), goal=(0, 0)).axes
    x, y = line(axes, "down")
    assert np.column_stack([x, y]).tolist() == paths["down"]
    assert line(axes, "away")[0].tolist() == [1.0], "a path ends before what is not finite"
    assert sum(x.get_gid() == "goal" for x in axes.lines) == 1
    with pytest.raises(ValueError, match=r"path 'p' must have shape \(n, 2\), got \(2,\)"):
        plots.surface(lambda x, y: x + y, {"p": [1, 2]}, (0, 1, 0, 1))


def test_data_for_a_loss_surface_are_inputs_and_target(trained: Trained) -> None:
    with pytest.raises(TypeError, match="data must be a tuple of the inputs and the target, got ndarray"):
        plots.loss_surface(trained.recorder, trained.model, trained.loss, trained.x)  # type: ignore[arg-type]


def test_a_confusion_matrix_counts(tmp_path: Path) -> None:
    truth, guess = [0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 0, 2]
    figure = plots.confusion_matrix(guess, truth, names=["a", "b", "c", "never"], path=tmp_path / "counts.svg")
    (axes,) = figure.axes
    expected = [[1, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert axes.images[0].get_array().tolist() == expected
    assert [t.get_text() for t in axes.texts] == [str(n) for row in expected for n in row]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "c", "never"]
    assert axes.get_title(loc="left") == "4 of 6 right"
    logits = np.eye(12)[np.arange(24) % 12]
    (axes,) = plots.confusion_matrix(logits, np.arange(24) % 12).axes
    assert {t.get_text() for t in axes.texts} == {"2", "·"}
    (axes,) = plots.confusion_matrix([0, 0], [0, 0]).axes
    assert axes.images[0].get_array().tolist() == [[2]]
    with pytest.raises(ValueError, match="3 classes, but only 2 names"):
        plots.confusion_matrix(guess, truth, names=["a", "b"])
    with pytest.raises(ValueError, match="no samples to count"):
        plots.confusion_matrix([], [])


def test_filters_are_the_weights() -> None:
    conv = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Conv2d(5, 70, 2))
    figure = plots.filters(conv)
    tiles = [a for a in figure.axes if a.images]
    weight = conv.get_parameter("0.weight").numpy()
    assert len(tiles) == 5
    for axes, kernel in zip(tiles, weight[:, 0], strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), kernel)
        assert axes.images[0].get_clim() == pytest.approx((-np.abs(weight).max(), np.abs(weight).max()))
    assert "0.weight: 3 × 3 pixels" in figure.get_suptitle()
    second = plots.filters(conv, "2.weight")
    assert "5 channels side by side (the first 64)" in second.get_suptitle()
    shown = next(a for a in second.axes if a.images).images[0].get_array()
    np.testing.assert_array_equal(shown[:, 2:4], conv.get_parameter("2.weight").numpy()[0, 1])
    colours = next(a for a in plots.filters(nn.Conv2d(3, 4, 5)).axes if a.images).images[0].get_array()
    assert colours.shape == (5, 5, 3)
    linear = nn.Linear(12, 4)
    np.testing.assert_array_equal(plots.filters(linear).axes[0].images[0].get_array(), linear.weight.numpy())
    as_images = plots.filters(linear, shape=(3, 4)).axes[1].images[0].get_array()
    np.testing.assert_array_equal(as_images, linear.weight.numpy()[1].reshape(3, 4))
    assert plots.filters(nn.Conv1d(2, 3, 4)).axes[0].images[0].get_array().shape == (2, 4)
    assert len([a for a in plots.filters(nn.Linear(9, 2)).axes if a.images]) == 2, "a square is recognised"


def test_filters_that_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="Tanh has no weight with two axes or more"):
        plots.filters(nn.Tanh())
    with pytest.raises(ValueError, match="no filters called 'bias'; there are weight"):
        plots.filters(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="with 2 pixels in all"):
        plots.filters(nn.Linear(2, 2), shape=(3, 3))
    with pytest.raises(ValueError, match="two to four axes"):
        plots.filters(np.zeros(3))


def test_images() -> None:
    tiles = np.arange(24.0).reshape(6, 2, 2)
    tiles[1, 0, 1] = np.nan
    figure = plots.images(tiles, list("abcdef"), scale="grey")
    shown = [a for a in figure.axes if a.images and a.get_title()]
    assert [a.get_title() for a in shown] == list("abcdef")
    assert {a.images[0].get_clim() for a in shown} == {(0.0, 23.0)}, "one scale for all"
    (cross,) = shown[1].texts
    assert (cross.get_text(), cross.get_position()) == ("×", (1, 0))
    for bad in (np.zeros((2, 2)), np.zeros((0, 2, 2)), np.zeros((1, 2, 2, 4))):
        with pytest.raises(ValueError, match="images have shape"):
            plots.images(bad)
    with pytest.raises(ValueError, match="got 1 titles for 6 images"):
        plots.images(tiles, ["a"])


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        plots.learning_curves(history(loss=[0.5]))
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "sklearn.inspection", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        plots.decision_boundary(nn.Linear(2, 1), [[0.0, 0.0]], [0])


def test_importing_nn_imports_no_matplotlib() -> None:
    import subprocess

    code = "import sys, nn, nn.plots; print([m for m in sys.modules if m.split('.')[0] in ('matplotlib', 'PIL')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
