"""Checks of gradients against numbers."""

from autograd_lite.check.gradient import assert_gradients, gradcheck
from autograd_lite.check.report import Entry, Report

__all__ = ["Entry", "Report", "assert_gradients", "gradcheck"]
