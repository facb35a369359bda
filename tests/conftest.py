"""Profiles of the generated tests: ``quick`` (the default, always the same examples) and ``thorough``."""

import signal
import threading

from hypothesis import HealthCheck, settings

if threading.current_thread() is threading.main_thread():
    # A shell starts background jobs with Ctrl-C ignored; the tests of Ctrl-C, and their children, need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.differing_executors]}

settings.register_profile("quick", max_examples=20, derandomize=True, database=None, **_CALM)
settings.register_profile("thorough", max_examples=1000, **_CALM)
settings.load_profile("quick")
