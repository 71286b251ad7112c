"""What all tests share.

Hypothesis draws the same examples each time, however slow the machine is. The user's settings and cache, such
as the key of the visitors' cookies, are not those of whoever runs the tests.
"""

import atexit
import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

# Before anything reads them, and for the processes that tests start.
for _variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
    os.environ[_variable] = tempfile.mkdtemp(prefix="kandinsky-tests-")
    atexit.register(shutil.rmtree, os.environ[_variable], ignore_errors=True)
