"""An SVG that follows its reader's choice of light or dark."""

from __future__ import annotations

from dataclasses import fields

from autograd_lite.drawing.dot import DARK, LIGHT

__all__ = ["with_dark_mode"]


_CLASS = "autograd-lite-graph"


def with_dark_mode(svg: str) -> str:
    """Add to an SVG in light colours a style sheet that turns each into its dark counterpart in dark mode.

    The rules hold within such pictures only, so that several of them may stand in one page.
    """
    pairs: dict[str, str] = {}
    for field in fields(LIGHT):
        light, dark = getattr(LIGHT, field.name), getattr(DARK, field.name)
        pairs.update(zip(light, dark, strict=True) if isinstance(light, tuple) else [(light, dark)])
    rules = "".join(
        f'.{_CLASS} [{what}="{light}"]{{{what}:{dark}}}' for light, dark in pairs.items() for what in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme:dark){{.{_CLASS} text:not([fill]){{fill:{DARK.ink}}}{rules}}}</style>"
    at = svg.index("<svg") + 4
    start = svg.index(">", at) + 1
    return f'{svg[:at]} class="{_CLASS}"{svg[at:start]}{style}{svg[start:]}'
