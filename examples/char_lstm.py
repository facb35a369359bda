"""Letters one after another: a character LSTM on text that the example makes up.

``python -m examples.char_lstm`` writes a text by a small grammar, trains an LSTM to guess the next letter, and prints
what it writes. Its loss on held-out text is to be below the bigram entropy: the least that anything could reach that
knows how often each letter follows each other, but sees no letter before the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from examples._common import Array, parser, save
from nn import plots
from nn.callbacks import GradientClipping, Schedule
from nn.schedule import OneCycleLR
from nn.train import Run, evaluating, fit

NAMES = "anna bruno clara david emma felix".split()
ADJECTIVES = "small old red quiet clever sleepy golden".split()
NOUNS = "cat dog house river garden boat letter piano".split()
VERBS = "sees paints finds likes follows remembers".split()
ENDINGS = "at night|in the morning|by the sea|with a smile|again and again".split("|")
WINDOW = 48


def write(sentences: int, generator: np.random.Generator) -> str:
    """Write sentences such as "anna paints the old boat by the sea."."""

    def one(words: Sequence[str]) -> str:
        return words[int(generator.integers(len(words)))]

    def sentence() -> str:
        who = one(NAMES) if generator.random() < 0.5 else f"the {one(ADJECTIVES)} {one(NOUNS)}"
        whom = f"{one(('a', 'the'))} {one(ADJECTIVES)} {one(NOUNS)}"
        return f"{who} {one(VERBS)} {whom} {one(ENDINGS)}."

    return " ".join(sentence() for _ in range(sentences))


class Letters:
    """Letters as numbers, and back.

    Parameters
    ----------
    text : str
        Has every letter that will be needed.
    """

    def __init__(self, text: str) -> None:
        self.alphabet = sorted(set(text))
        self._numbers = {letter: i for i, letter in enumerate(self.alphabet)}

    def __len__(self) -> int:
        return len(self.alphabet)

    def encode(self, text: str) -> Array:
        """Return a number for each letter."""
        return np.array([self._numbers[letter] for letter in text])

    def decode(self, numbers: Any) -> str:
        """Return the letters of numbers."""
        return "".join(self.alphabet[int(i)] for i in numbers)


class CharLSTM(nn.Module):
    """An embedding, an LSTM and a linear layer: scores for the next letter after each letter.

    Parameters
    ----------
    letters, hidden : int
        The size of the alphabet, and of the LSTM's state.
    """

    def __init__(self, letters: int, hidden: int) -> None:
        self.embedding = nn.Embedding(letters, 16, dtype=np.float32)
        self.lstm = nn.LSTM(16, hidden, batch_first=True, dtype=np.float32)
        self.output = nn.Linear(hidden, letters, dtype=np.float32)

    def forward(self, x: Any) -> Any:
        """Return scores (N, letters, T) for letters (N, T), the classes where `CrossEntropyLoss` expects them."""
        steps, _ = self.lstm(self.embedding(x))
        return np.swapaxes(self.output(steps), 1, 2)

    def say(self, prompt: Array, length: int, temperature: float, generator: np.random.Generator) -> list[int]:
        """Return a prompt and so many more letters, each drawn from what the network expects.

        Parameters
        ----------
        prompt : ndarray of int
        length : int
        temperature : float
            Divides the scores: below 1 the likely letters become likelier.
        generator : numpy.random.Generator
        """
        said = [int(i) for i in prompt]
        with evaluating(self):
            steps, state = self.lstm(self.embedding(prompt[None]))
            for _ in range(length):
                p = ag.softmax(self.output(steps[0, -1]).astype(np.float64) / temperature, axis=-1).numpy()
                said.append(int(generator.choice(len(p), p=p)))
                steps, state = self.lstm(self.embedding([said[-1:]]), state)
        return said


def unigram_entropy(numbers: Array) -> float:
    """Return the entropy of single letters, in nats: ``-sum p(a) log p(a)``."""
    p = np.bincount(numbers) / len(numbers)
    p = p[p > 0]
    return float(-np.sum(p * np.log(p)))


def bigram_entropy(numbers: Array) -> float:
    """Return the entropy of a letter given the one before, in nats: ``-sum p(a, b) log p(b | a)`` (Shannon 1951)."""
    size = int(numbers.max()) + 1
    counts = np.bincount(numbers[:-1] * size + numbers[1:], minlength=size * size).reshape(size, size)
    pairs, firsts = counts / counts.sum(), counts.sum(axis=1, keepdims=True)
    seen = counts > 0
    return float(-np.sum(pairs[seen] * np.log((counts / np.maximum(firsts, 1))[seen])))


def windows(numbers: Array, step: int) -> tuple[Array, Array]:
    """Return stretches of the text, and the same one letter further on."""
    starts = np.arange(0, len(numbers) - WINDOW, step)
    rows = starts[:, None] + np.arange(WINDOW)
    return numbers[rows], numbers[rows + 1]


def picture(history: nn.History, entropies: tuple[float, float]) -> Any:
    """Draw the losses, and the entropies that letter statistics cannot go below."""
    figure, ((axes,),) = plots.panels(1, 1, 6.2, 4)
    title = "Character LSTM: surprise at the next letter, in nats"
    plots.learning_curves(history, ["loss"], ax=axes, title=title, validation="held-out text")
    for entropy, name in zip(entropies, ("single letters", "bigrams"), strict=True):
        axes.axhline(entropy, color="#5f6870", linewidth=1, linestyle=":")
        axes.annotate(
            f"entropy of {name}: {entropy:.3f}", (history["epoch"][-1], entropy), (0, 4),
            textcoords="offset points", ha="right", fontsize=9,
        )  # fmt: skip
    return figure


def main(arguments: Sequence[str] | None = None) -> tuple[float, float]:
    """Run the example; return the loss on held-out text and the text's bigram entropy, both in nats a letter."""
    options_of = parser("char_lstm", __doc__)
    options_of.add_argument("--sentences", type=int, default=1000, help="of the text (default: %(default)s)")
    options_of.add_argument("--hidden", type=int, default=64, help="size of the state (default: %(default)s)")
    options_of.add_argument("--epochs", type=int, default=10, help="(default: %(default)s)")
    options = options_of.parse_args(arguments)
    generator = ag.manual_seed(options.seed)
    text = write(options.sentences, generator)
    letters = Letters(text)
    numbers = letters.encode(text)
    cut = len(numbers) * 9 // 10
    entropies = unigram_entropy(numbers), bigram_entropy(numbers)
    print(f"{len(text)} letters, {len(letters)} different ones; a tenth is held out. It begins:\n  {text[:100]}")
    print(f"entropy of single letters {entropies[0]:.4f}, of bigrams {entropies[1]:.4f} nats a letter\n")
    model = CharLSTM(len(letters), options.hidden)
    print(f"{model}\n")
    prompt = letters.encode("the ")

    def report(run: Run) -> None:
        if run.epoch == 1 or run.epoch % max(run.epochs // 5, 1) == 0:
            row, sample = run.figures, letters.decode(model.say(prompt, 60, 0.7, np.random.default_rng(0)))
            print(f"epoch {run.epoch:3d}   loss {row['loss']:.4f}   held out {row['val_loss']:.4f}   {sample}")

    loader = nn.DataLoader(nn.TensorDataset(*windows(numbers[:cut], WINDOW // 2)), 64, shuffle=True)
    optimizer = nn.optim.Adam(model.parameters())
    schedule = OneCycleLR(optimizer, 0.01, total_steps=options.epochs * len(loader) + 1)  # one more than are taken
    history = fit(
        model, nn.CrossEntropyLoss(), optimizer, loader,
        epochs=options.epochs, validation=windows(numbers[cut:], WINDOW), progress=False,
        callbacks=[GradientClipping(1.0), Schedule(schedule, per="batch"), report],
    )  # fmt: skip
    loss = float(history["val_loss"][-1])
    verdict = "below" if loss < entropies[1] else "ABOVE"
    print(f"\nloss on held-out text {loss:.4f}: {verdict} the bigram entropy, {entropies[1]:.4f}\n")
    for temperature in (0.5, 1.0):
        print(f"at temperature {temperature}: {letters.decode(model.say(prompt, 160, temperature, generator))}\n")
    save(picture(history, entropies), options.out / "char_lstm.png")
    return loss, entropies[1]


if __name__ == "__main__":
    main()
