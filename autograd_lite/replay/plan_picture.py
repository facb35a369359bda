"""A plan as a picture: a box a step, and arrows for the arrays that go from one to the next."""

from __future__ import annotations

import html
from pathlib import Path

from autograd_lite.drawing.dot import LIGHT, text
from autograd_lite.drawing.layout import run_graphviz
from autograd_lite.replay.plan_text import kind_of, name_of, size_text, work_of
from autograd_lite.replay.primitive import (
    Call,
    Effect,
    Elementwise,
    Group,
    Plan,
    Reduce,
    Scalars,
    Step,
    reads_of,
    writes_of,
)

__all__ = ["plan_dot", "save_plan"]

# Kind of step -> shape, and colours of the palette.
_LOOKS = {
    "group": ("box3d", "fold"), "matmul": ("box", "module"), "call": ("tab", "root"), "effect": ("octagon", "root"),
    "table": ("box3d", "fold"),
}  # fmt: skip
_MOST = 400  # boxes


def plan_dot(plan: Plan, caption: str = "", most: int = _MOST) -> str:
    """Return the DOT source of a plan.

    Parameters
    ----------
    plan : Plan
    caption : str, optional
    most : int, optional
        How many steps are drawn; the rest is left out, and the caption says so.
    """
    shown = plan.steps[:most]
    if len(shown) < len(plan.steps):
        caption += f" (the first {len(shown):,} of {len(plan.steps):,} steps)"
    out = [
        f'digraph plan {{\n\tgraph [rankdir=TB bgcolor="{LIGHT.paper}" fontname="Helvetica" fontsize=11 '
        f'fontcolor="{LIGHT.faint}" labelloc=b label=<{text(caption, 300)}>]\n',
        '\tnode [fontname="Helvetica" fontsize=11 style="filled"]\n',
        f'\tedge [fontname="Helvetica" fontsize=9 color="{LIGHT.line}" fontcolor="{LIGHT.faint}"]\n',
    ]
    makers: dict[int, list[int]] = {}  # array -> the steps that write it; owner -> those that write a part of it
    sources: set[int] = set()
    for i, step in enumerate(shown):
        out.append(_box(plan, i, step))
        arrows: dict[str, str] = {}
        for n in reads_of(step):
            owner = plan.owner(n)
            if plan.arrays[owner].owner in ("input", "leaf"):
                if owner not in sources:
                    sources.add(owner)
                    out.append(_source(plan, owner))
                arrows[f"a{owner}"] = "×".join(map(str, plan.arrays[owner].shape))
            for k in makers.get(n) or makers.get(owner, []):
                arrows[f"s{k}"] = "×".join(map(str, plan.arrays[n].shape))
        out += [f'\t{start} -> s{i} [label="{label}"]\n' for start, label in arrows.items()]
        for w in writes_of(step):
            for n in {w, plan.owner(w)}:
                makers.setdefault(n, []).append(i)
    for k, n in enumerate(plan.outputs):
        for i in makers.get(n) or makers.get(plan.owner(n), []):
            look = f'fillcolor="{LIGHT.root[0]}" color="{LIGHT.root[1]}"'
            out.append(f'\to{k} [shape=ellipse {look} label="result {k}"]\n')
            out.append(f"\ts{i} -> o{k}\n")
    return "".join([*out, "}\n"])


def _box(plan: Plan, i: int, step: Step) -> str:
    kind = kind_of(step)
    shape, look = _LOOKS.get(kind, ("box", "result"))
    fill, border = getattr(LIGHT, look)
    rows = [f"<b>{text(title)}</b>" if k == 0 else text(title) for k, title in enumerate(_titles(step))]
    work = work_of(plan, step)
    rows.append(f'<font color="{LIGHT.faint}">{work.operations:,} op, {size_text(work.bytes)}</font>')
    return f'\ts{i} [shape={shape} fillcolor="{fill}" color="{border}" label=<{"<br/>".join(rows)}>]\n'


def _titles(step: Step) -> list[str]:
    match step:
        case Elementwise(name=name) | Call(name=name) | Effect(name=name):
            return [name]
        case Reduce(name=name, axes=axes):
            return [f"{name} over {', '.join(map(str, axes))}"]
        case Group(steps, shape, _, sums):
            names = [s.name for s in steps]
            chain = [", ".join(names[k : k + 4]) for k in range(0, min(len(names), 16), 4)]
            more = [f"… {len(names) - 16} more"] if len(names) > 16 else []
            total = [f"{len(sums)} reduction{'s' * (len(sums) > 1)}"] if sums else []
            return ["×".join(map(str, shape)) or "numbers", *chain, *more, *total]
        case Scalars(codes):
            return [f"{len(codes):,} numbers"]
    return [kind_of(step)]


def _source(plan: Plan, n: int) -> str:
    array = plan.arrays[n]
    fill, border = LIGHT.leaf if array.owner == "leaf" else LIGHT.constant
    name = text(name_of(plan, n))
    return f'\ta{n} [shape=box fillcolor="{fill}" color="{border}" label=<{name}>]\n'


def save_plan(plan: Plan, path: str, caption: str, words: str) -> Path:
    """Write a picture of a plan to a file.

    Parameters
    ----------
    plan : Plan
    path : str
        ``.svg``, ``.png``, ``.pdf`` and ``.html`` (with the text beside the picture) need Graphviz; ``.dot`` and
        ``.txt`` do not.
    caption, words : str

    Raises
    ------
    ValueError
        For another suffix.
    LayoutError
        When Graphviz is missing, or fails.
    """
    target = Path(path)
    kind = target.suffix.lower()
    if kind not in (".svg", ".png", ".pdf", ".html", ".dot", ".txt"):
        raise ValueError(f"a plan is saved as .dot, .html, .pdf, .png, .svg or .txt; got {target.name!r}")
    source = plan_dot(plan, caption)
    if kind == ".txt":
        target.write_text(words + "\n", encoding="utf-8")
    elif kind == ".dot":
        target.write_text(source, encoding="utf-8")
    elif kind == ".html":
        target.write_text(_page(run_graphviz(source, "svg").decode(), caption, words), encoding="utf-8")
    else:
        target.write_bytes(run_graphviz(source, kind[1:]))
    return target


def _page(svg: str, caption: str, words: str) -> str:
    title = html.escape(caption)
    picture = svg[svg.index("<svg") :]
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font:15px sans-serif;margin:2rem} pre{overflow-x:auto} svg{max-width:100%;height:auto}</style>\n"
        f"<h1>{title}</h1>\n<pre>{html.escape(words)}</pre>\n{picture}</html>\n"
    )
