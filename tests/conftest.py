"""Profiles of the generated tests: ``quick`` (the default, always the same examples) and ``thorough``."""

from hypothesis import HealthCheck, settings

_CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.differing_executors]}

settings.register_profile("quick", max_examples=20, derandomize=True, database=None, **_CALM)
settings.register_profile("thorough", max_examples=1000, **_CALM)
settings.load_profile("quick")
