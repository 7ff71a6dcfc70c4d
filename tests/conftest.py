"""Settings of the whole test run."""

import os

# Before torch is imported: small networks run several times slower on two threads than on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before pyarrow is imported: its mimalloc pool can crash in threads that end, as test apps' do.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
