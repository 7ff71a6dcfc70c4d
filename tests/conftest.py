"""Settings of the whole test run."""

import os

# Before torch is imported: small networks run several times slower on two threads than on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
