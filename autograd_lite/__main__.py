"""``python -m autograd_lite COMMAND``: a command is a function in a module that is imported when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import sys

_COMMANDS = {
    "draw": ("autograd_lite.drawing.cli:main", "draw the graph of an expression or of a saved record"),
    "check": ("autograd_lite.check.cli:main", "check the gradients of a function, or of every op"),
    "plan": ("autograd_lite.replay.command:main", "tell what a compiled function does: its steps, memory and work"),
    "learn": ("autograd_lite.learn.cli:main", "exercises: build the engine yourself"),
}


def _is_here(target: str) -> bool:
    try:
        return importlib.util.find_spec(target.partition(":")[0]) is not None
    except ModuleNotFoundError:
        return False


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the first argument names with the others; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = arguments[0] if arguments else "--help"
    if name in _COMMANDS and _is_here(_COMMANDS[name][0]):
        module, _, function = _COMMANDS[name][0].partition(":")
        return int(getattr(importlib.import_module(module), function)(arguments[1:]) or 0)
    commands = "\n".join(f"  {k:8}{text}" for k, (target, text) in _COMMANDS.items() if _is_here(target))
    usage = f"usage: python -m autograd_lite COMMAND ...\n\ncommands:\n{commands}"
    if name in ("-h", "--help"):
        print(usage)
        return 0
    print(f"unknown command {name!r}\n{usage}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
