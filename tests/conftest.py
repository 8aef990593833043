"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

# A slow machine is no bug: an example may take as long as the test's own time limits allow. New examples are for the
# developer who can look into them; a change that lands is held to the same ones every time.
settings.register_profile(
    "patient",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("patient")
