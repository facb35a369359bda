"""Checks of gradients against numbers."""

from autograd_lite.check.gradient import assert_gradients, gradcheck
from autograd_lite.check.module import gradcheck_module
from autograd_lite.check.report import Diagnosis, Entry, Report

__all__ = ["Diagnosis", "Entry", "Report", "assert_gradients", "gradcheck", "gradcheck_module"]
