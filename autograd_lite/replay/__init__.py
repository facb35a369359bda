"""Compile and vmap: functions recorded once and replayed fast."""
