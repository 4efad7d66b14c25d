"""Runs the tests under other dates: `python -m leadpipe_tests.calendar [NAME ...] [-- PYTEST ARGUMENTS]`."""
