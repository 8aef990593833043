"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A slow machine is no bug: an example may take as long as the test's own time limits allow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("patient")
