"""Numbers and labels as the short, harmless texts that pictures are made of."""

from __future__ import annotations

import math
import unicodedata

from autograd_lite.drawing.record import EdgeRecord, NodeRecord, Numbers, Summary

__all__ = ["clean", "node_lines", "number", "numbers", "rule", "shape_text"]

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SAID = frozenset(("shape", "index", "i", "dtype"))  # parameters that the title or the shape tells
_SYMMETRIC = frozenset("add multiply maximum minimum hypot logaddexp".split())


def clean(text: str, longest: int = 60) -> str:
    """Return a text on one line, without control characters, lone surrogates and switches of direction."""
    if len(text) <= longest and text.isascii() and text.isprintable():
        return text
    kept = "".join(
        " " if c in "\n\t\r" else c
        for c in text[: 4 * longest]
        if c in "\n\t\r" or (unicodedata.category(c) not in ("Cc", "Cs", "Cn") and c not in _BIDI)
    )
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def number(x: float, digits: int = 4) -> str:
    """Write a number shortly.

    Examples
    --------
    >>> number(0.123456), number(-3.0), number(1234567.0), number(float("nan"))
    ('0.1235', '-3', '1.235e+06', 'NaN')
    """
    if x != x:
        return "NaN"
    if math.isinf(x):
        return "∞" if x > 0 else "-∞"
    return f"{x:.{digits}g}"


def numbers(x: Numbers, wide: int = 26) -> str:
    """Write a number, a short array, or the range of a long one; an en dash for what is not computed."""
    if x is None:
        return "\u2013"
    if not isinstance(x, Summary):
        return number(x)
    if x.data is not None:
        text = f"[{', '.join(number(v, 3) for v in x.data[:9])}{', …' if len(x.data) > 9 else ''}]"
        if len(text) <= wide:
            return text
    bad = [f"{x.nan:,} NaN"] if x.nan else []
    bad += [f"{x.inf:,} ∞"] if x.inf else []
    if bad:
        return ", ".join(bad)
    if x.min is None or x.max is None:
        return "empty" if not x.norm else f"‖{number(x.norm, 3)}‖"
    return f"all {number(x.min, 3)}" if x.min == x.max else f"{number(x.min, 3)} … {number(x.max, 3)}"


def size(x: Numbers) -> str:
    """Write how large a gradient is: the number itself, or the norm of an array."""
    if isinstance(x, Summary):
        return f"‖{number(x.norm, 3)}‖"
    return numbers(x)


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape: ``3×4``; nothing for a scalar."""
    return "×".join(map(str, shape))


def title_of(node: NodeRecord) -> str:
    """Return what a node is called in a picture."""
    label = clean(node.label, 40) if node.label else None
    if node.op is None:
        plain = numbers(node.data) if node.face == "number" else node.kind if not node.shape else "data"
        return label or plain
    made = sign_of(node)
    return f"{label} = {made}" if label else made


def sign_of(node: NodeRecord) -> str:
    """Return the sign of an op where it is a sign, else the op's name."""
    if node.op == "getitem":
        return clean(f"[{dict(node.params).get('index', '')}]", 24)
    if node.op == "entry":
        return clean(f"[{dict(node.params).get('i', '')}]", 24)
    symbol = node.symbol or ""
    return clean(symbol if len(symbol) == 1 else node.op or "", 24)


def node_lines(node: NodeRecord) -> list[tuple[str, str]]:
    """Return what is said of a node below its title, as (what, text)."""
    lines = []
    if node.shape:
        dtype = "" if node.dtype == "float64" else f" {node.dtype}"
        lines.append(("shape", f"{shape_text(node.shape)}{dtype}"))
    if node.params and node.op is not None:
        shown = ", ".join(f"{k}={v}" for k, v in node.params if k not in _SAID and v not in ("None", "False"))
        if shown and len(shown) <= 24:
            lines.append(("params", clean(shown)))
    if node.face != "number":
        lines.append(("data", numbers(node.data)))
    if node.kind != "constant":
        lines.append(("grad", numbers(node.grad, 14) if node.grad is None or not node.shape else size(node.grad)))
    if node.idle is not None and node.idle > 0.5:
        share = f"{node.idle:.0%} " if node.shape else ""
        lines.append(("idle", share + ("dead" if node.op == "relu" else "saturated")))
    return lines


def rule(edge: EdgeRecord, target: NodeRecord, operands: int, longest: int = 30) -> str:
    """Write the local derivative of an edge: a number, or a rule in NumPy."""
    if edge.local is not None:
        text = number(edge.local)
    elif edge.rule is not None:
        text = edge.rule.replace("np.", "")
        text = text if len(text) <= longest else _shortened(text, longest - 4) or f"vjp of {target.op}"
    else:
        text = f"vjp of {target.op}" if edge.share is not None else ""
    if edge.local is None and operands > 1 and text and target.op not in _SYMMETRIC:
        letter = "xyz"[edge.slot] if operands <= 3 else f"x{edge.slot}"
        text = f"{letter}: {text}"
    return clean(text)


def _shortened(text: str, longest: int) -> str | None:
    """Return a call with all but its first argument left out, if it is one call and short then."""
    name, opening, rest = text.partition("(")
    if not (opening and name.isidentifier() and text.endswith(")")):
        return None
    depth, first = 1, ""
    for c in rest[:-1]:
        depth += (c in "([") - (c in ")]")
        if depth == 0:
            return None  # more than one call
        if c == "," and depth == 1:
            break
        first += c
    short = f"{name}({first}, …)"
    return short if len(short) <= longest else f"{name}(…)"
