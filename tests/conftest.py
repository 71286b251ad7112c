"""What all tests share.

Hypothesis draws the same examples each time, however slow the machine is. The user's settings,
such as the key of the visitors' cookies, are not those of whoever runs the tests.
"""

import os
import tempfile

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="kandinsky-tests-config-")
