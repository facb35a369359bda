"""Light and dark: style sheets that follow the notebook around a picture, or else its reader's setting."""

from __future__ import annotations

from dataclasses import fields

from autograd_lite.drawing.dot import DARK, LIGHT

__all__ = ["themed", "with_dark_mode"]


_CLASS = "autograd-lite-graph"

# How JupyterLab, VS Code, Colab and Sphinx themes say on an outer element which theme they are in.
_OUTER = {
    "light": ("[data-jp-theme-light=true]", ".vscode-light", "[data-theme=light]", "[theme=light]"),
    "dark": ("[data-jp-theme-light=false]", ".vscode-dark", "[data-theme=dark]", "[theme=dark]"),
}


def themed(selector: str, light: str, dark: str) -> str:
    """Return CSS that gives a selector its declarations in light and in dark surroundings.

    Examples
    --------
    >>> themed(".x", "color:#000", "color:#fff")[:66]
    '.x{color:#000}@media(prefers-color-scheme:dark){.x{color:#fff}}[da'
    """

    def inside(theme: str) -> str:
        return ",".join(f"{outer} {selector}" for outer in _OUTER[theme])

    return (
        f"{selector}{{{light}}}@media(prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f"{inside('light')}{{{light}}}{inside('dark')}{{{dark}}}"
    )


def with_dark_mode(svg: str) -> str:
    """Add to an SVG in light colours a style sheet that turns each into its dark counterpart in dark surroundings.

    The rules hold within such pictures only, so that several of them may stand in one page. Where a viewer knows no
    variables of CSS, the light colours stay.
    """
    pairs: dict[str, str] = {}
    for field in fields(LIGHT):
        light, dark = getattr(LIGHT, field.name), getattr(DARK, field.name)
        pairs.update(zip(light, dark, strict=True) if isinstance(light, tuple) else [(light, dark)])
    variables = [";".join(f"--c{i}:{c}" for i, c in enumerate(colours)) for colours in (pairs, pairs.values())]
    rules = "".join(
        f'.{_CLASS} [{what}="{light}"]{{{what}:var(--c{i})}}'
        for i, light in enumerate(pairs)
        for what in ("fill", "stroke")
    )
    ink = f".{_CLASS} text:not([fill]){{fill:var(--c{list(pairs).index(LIGHT.ink)})}}"
    style = f"<style>{themed(f'.{_CLASS}', *variables)}{ink}{rules}</style>"
    at = svg.index("<svg") + 4
    start = svg.index(">", at) + 1
    return f'{svg[:at]} class="{_CLASS}"{svg[at:start]}{style}{svg[start:]}'
