"""The errors of the engine: each says what happened, where, and what to write instead."""

__all__ = ["AnomalyError", "AutogradError", "CompileError", "GradientError", "NoRuleError", "StaleError"]


class AutogradError(RuntimeError):
    """An operation that has no right answer was asked of the graph."""


class StaleError(AutogradError):
    """A saved operand was overwritten between the forward and the backward pass."""


class NoRuleError(AutogradError, TypeError):
    """A function that has no derivative rule was applied to a tracked node."""


class AnomalyError(AutogradError, ArithmeticError):
    """An operation made the first NaN or infinity (raised inside ``detect_anomaly``)."""


class GradientError(AutogradError, AssertionError):
    """A gradient is wrong: of the wrong shape or dtype, or refuted by a numeric derivative."""


class CompileError(AutogradError):
    """A function cannot be recorded and replayed, or its replay would differ from what it does itself."""
