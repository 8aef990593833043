"""Measures the gateway beside nginx, on one machine: `scripts/bench --help`.

`upstream` is a mock model server and `load` a load generator, both cheap; `processes` starts, pins and watches what is
measured, `subjects` says what that is, `measure` what is measured of it, `report` prints it, `run` puts them together.
"""
