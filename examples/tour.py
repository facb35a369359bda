# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Reverse-mode differentiation, from one number to a network
#
# A derivative answers a small question: *if I push this number a little, how much does that one move?* Training a
# network asks it about thousands of numbers at once, and reverse mode answers for all of them in a single walk through
# the computation. In ten minutes you will have seen every part of that walk.
#
# (`pip install -e '.[examples]'` brings what this notebook needs. Graphviz draws the graphs; without it they are text.)

# %%
import numpy as np
from sklearn.datasets import make_moons

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value, custom_op, draw, gradcheck
from autograd_lite.drawing import graph_of, page_of, trace
from nn import plots

# %% [markdown]
# ## 1. A number that remembers
#
# A `Value` is a number that knows how it was computed. Here is a neuron: two inputs, two weights, a bias, and tanh.

# %%
x1, x2 = Value(2.0, label="x1"), Value(-1.0, label="x2")
w1, w2, b = Value(0.5, label="w1"), Value(1.5, label="w2"), Value(0.8, label="b")
y = (w1 * x1 + w2 * x2 + b).tanh()
draw(y)

# %% [markdown]
# Read it from left to right: boxes with corners are what we put in, round ones are results, and `data` is the number in
# each (`grad` we come to). Python computed it line by line; the graph is what it left behind.
#
# ## 2. Every arrow is a small derivative
#
# The number on an arrow says how much the result of *one* operation moves when that operand is pushed. Nothing else in
# the graph matters for it:
#
# * a sum passes a push on unchanged, so the arrows into `+` say 1;
# * in a product each factor is scaled by the other: on the arrow from `w1` stands the value of `x1`, which is 2;
# * tanh flattens out, and its slope at $u$ is $1 - \tanh^2 u$.
#
# To push the output by way of `w1`, the push must go through every arrow on the way. So multiply them:

# %%
slope_of_tanh = 1 - y.data**2
along_the_path = x1.data * 1 * 1 * slope_of_tanh
along_the_path

# %% [markdown]
# That is the **chain rule**. There is one more rule: if a number is used twice, its pushes arrive by two ways, and they
# **add up**.

# %%
a = Value(3.0, label="a")
z = a * a + a
draw(z)

# %% [markdown]
# Two arrows of 3 lead from `a` into the product, and one of 1 into the sum: $3 + 3 + 1 = 7$, which is $2a + 1$ at
# $a = 3$. *Multiply along each path, add over all paths.* This is all there is to a derivative.
#
# ## 3. Walking backward
#
# A graph may have more paths than atoms in the universe (each `v = v * v` doubles them), so nobody follows them one by
# one. Reverse mode starts at the output with "I move by 1 when I am pushed by 1" and goes through the nodes in reverse
# order. Each hands to its operands what it received, times the number on the arrow; a node that receives several shares
# adds them up, and it is done before its turn comes. Every arrow is walked **once**.

# %%
record = graph_of(y)
for node in reversed(record.nodes):
    if node.op is not None:
        print(f"{node.op:>8} received {node.grad:+.4f}")
        for edge in record.edges:
            if edge.target == node.id and edge.share is not None:
                operand = record.node(edge.source)
                print(f"{'':8} and hands {node.grad:+.4f} × {edge.local:+.4f} = {edge.share:+.4f} to", end=" ")
                print(operand.label or operand.op)

# %% [markdown]
# `backward()` does exactly this, and leaves what arrived in `.grad`:

# %%
y.backward()
assert np.isclose(w1.grad, along_the_path)
{node.label: node.grad for node in (w1, w2, b, x1, x2)}

# %% [markdown]
# Five derivatives for one walk, and it would be one walk for five million. (Pushing the inputs, *forward mode*, takes
# one walk for each.)
#
# Step through it yourself: press ▶ below the graph, or the arrow keys. Choose a leaf and "Sum over paths" to see that
# the walk gives what the paths give. `save_graph(y, "page.html")` writes the same page to a file.
#
# ![A step of the backward pass](../docs/pictures/stepper.png)

# %%
page_of(y)

# %% [markdown]
# ## 4. Arrays: the same, with rules in place of numbers
#
# A `Tensor` is an array that remembers. One node now stands for many numbers, so on an arrow stands a **rule**: how
# the gradient `g` of the result becomes that of the operand (`x`, `y` and `z` are the operands in order, `out` is the
# result). Nobody ever writes down the huge table of all derivatives of all outputs by all inputs.

# %%
W = Tensor([[0.5, -1.0, 0.3], [1.0, 0.2, -0.7]], requires_grad=True, label="W")
c = Tensor([0.1, -0.1], requires_grad=True, label="c")
loss = np.mean(np.tanh(W @ np.array([1.0, 2.0, 3.0]) + c) ** 2)  # NumPy's own functions work
draw(loss)

# %%
loss.backward()
W

# %% [markdown]
# ## 5. Do not trust, check
#
# A rule is one line, and a wrong one still gives *some* number. `gradcheck` compares with derivatives taken by
# numbers alone:

# %%
gradcheck(lambda w: np.mean(np.tanh(w @ np.array([1.0, 2.0, 3.0])) ** 2), W.numpy())

# %% [markdown]
# And here is a rule of our own in which somebody forgot that the slope of $x^3$ is $3x^2$:

# %%
cube = custom_op(lambda x: x**3, lambda g, out, x: g * x**2, name="cube")
gradcheck(cube, np.array([1.0, -2.0, 0.5, 3.0]))

# %% [markdown]
# ## 6. A network is a larger expression
#
# Layers are nothing new: products, sums and bends, with the weights as leaves. Two half moons, and a network to tell
# them apart:

# %%
ag.manual_seed(0)
X, labels = make_moons(400, noise=0.15, random_state=0)
t = labels.reshape(-1, 1).astype(float)
model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
criterion = nn.BCEWithLogitsLoss()
with trace(model) as seen:  # remembers which layer computed what
    loss = criterion(model(X), t)
model

# %% [markdown]
# Its graph, with the layers as boxes. In the page that `save_graph` writes they open at a click.

# %%
draw(loss, names=seen, depth=0)

# %% [markdown]
# ## 7. Training: walk backward, step downhill, repeat
#
# The gradient says for every weight which way the loss rises; so go a little the other way. This is the whole of
# training, one step of it:

# %%
loss.backward()
before = loss.item()
with ag.no_grad():
    for p in model.parameters():
        p.data = p.data - 0.1 * p.grad
f"the loss falls from {before:.4f} to {criterion(model(X), t).item():.4f}"

# %% [markdown]
# `fit` does it again and again, in small batches, and a `Recorder` looks on.

# %%
recorder = plots.Recorder(every=1)
optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
data, held_out = (X[:300], t[:300]), (X[300:], t[300:])
history = nn.train.fit(
    model, criterion, optimizer, data,
    epochs=60, validation=held_out, metrics=["accuracy"], callbacks=[recorder], progress=False,
)  # fmt: skip
history

# %% [markdown]
# ## 8. What it learned, and how
#
# The line where the network changes its mind, at some epochs of the training:

# %%
plots.boundary_strip(recorder, model, *held_out)

# %% [markdown]
# Two pictures to look at whenever training stalls. Gradients that shrink from layer to layer do not reach the first
# one; and a step should change the weights by about a thousandth.

# %%
figure, ((left, right),) = plots.panels(1, 2)
plots.gradient_norms(recorder, ax=left)
plots.update_ratios(recorder, ax=right)
figure

# %% [markdown]
# And the landscape that the weights came down, in the plane of their largest moves:

# %%
plots.loss_surface(recorder, model, criterion, data)

# %% [markdown]
# That is all: local derivatives, multiplied along paths and added over them, by one walk backward.
#
# Next: `python -m autograd_lite learn` lets you build this engine yourself, in 35 small exercises; `examples/` trains
# larger things; and every picture here works on your own graphs: `draw(y)`, `save_graph(y, "page.html")`.
