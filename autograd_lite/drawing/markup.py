"""Small pieces of HTML for notebooks: a panel that paints its own paper, tables, and marks that need no colour."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from autograd_lite.drawing.theme import themed
from autograd_lite.drawing.words import clean

__all__ = ["escaped", "faint", "panel", "table"]

_LIGHT = (
    "--ink:#1b1f24;--faint:#55606b;--rim:#c3cad1;--paper:#fff;--soft:#f2f4f6;"
    "--plus:#a85600;--minus:#0068a3;--bad:#b02a05;--back:#7a2a9c;color-scheme:light"
)
_DARK = (
    "--ink:#e9edf1;--faint:#a3aeb9;--rim:#3c4651;--paper:#14181d;--soft:#1e252c;"
    "--plus:#f0a04a;--minus:#62b5ea;--bad:#ff8a5c;--back:#d3a6f5;color-scheme:dark"
)
# Classes are doubled to win over a notebook's own rules for tables.
_STYLE = (
    themed(".ag-panel", _LIGHT, _DARK)
    + """
.ag-panel{color:var(--ink);background:var(--paper);border:1px solid var(--rim);border-radius:6px;padding:8px 12px;
 max-width:100%;overflow:auto;font:13px/1.5 system-ui,sans-serif;width:fit-content;box-sizing:border-box}
.ag-panel.ag-panel *{color:inherit}
.ag-panel.ag-panel code,.ag-panel.ag-panel pre,.ag-panel.ag-panel td{background:none;
 font:12px/1.5 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.ag-panel pre{margin:6px 0 0}
.ag-panel .ag-faint.ag-faint{color:var(--faint)}.ag-panel .ag-bad.ag-bad{color:var(--bad);font-weight:700}
.ag-panel .ag-back.ag-back{color:var(--back)}
.ag-panel.ag-panel table{border-collapse:collapse;margin:4px 0;font-size:12px;border:0}
.ag-panel.ag-panel tr{background:none}
.ag-panel.ag-panel .ag-body tr:nth-child(even){background:var(--soft)}
.ag-panel.ag-panel :is(th,td){text-align:left;padding:1px 14px 1px 0;border:0;white-space:pre;font-weight:400}
.ag-panel.ag-panel thead th{color:var(--faint);border-bottom:1px solid var(--rim)}
.ag-panel.ag-panel tfoot td{border-top:1px solid var(--rim)}
.ag-panel.ag-panel .ag-number{text-align:right}
.ag-panel svg{display:block;max-width:100%;height:auto;margin-top:6px}
.ag-panel svg.ag-chart text{font:11px system-ui,sans-serif;fill:var(--faint)}
"""
)


def escaped(text: object, longest: int = 60) -> str:
    """Return any text, shortened and harmless, for HTML.

    Examples
    --------
    >>> escaped("<b>" + "x" * 10, longest=8)
    '&lt;b&gt;xxxx…'
    """
    return html.escape(clean(str(text), longest))


def faint(text: object, longest: int = 200) -> str:
    """Return a remark."""
    return f'<span class="ag-faint">{escaped(text, longest)}</span>'


def panel(title: str, *parts: str) -> str:
    """Return a framed piece of HTML with its style; ``title`` is plain text for screen readers, the parts are HTML."""
    return f'<div class="ag-panel" role="group" aria-label="{escaped(title, 200)}"><style>{_STYLE}</style>' + (
        "".join(f"<div>{part}</div>" for part in parts if part) + "</div>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], foot: Sequence[str] = (), numbers: str = "") -> str:
    """Return a table of cells that are HTML already; ``numbers`` has an ``r`` for each column to align right."""

    def row(cells: Sequence[str], tag: str) -> str:
        made = []
        for i, cell in enumerate(cells):
            kind = ' class="ag-number"' if numbers[i : i + 1] == "r" else ""
            scope = ' scope="col"' if tag == "th" else ""
            made.append(f"<{tag}{scope}{kind}>{cell}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    top = f"<thead>{row(head, 'th')}</thead>" if head else ""
    bottom = f"<tfoot>{row(foot, 'td')}</tfoot>" if foot else ""
    return f'<table>{top}<tbody class="ag-body">{"".join(row(r, "td") for r in rows)}</tbody>{bottom}</table>'
