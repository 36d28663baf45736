"""The cores of this process."""

import os
import sys


def usable_cores() -> int:
    """The number of cores that this process may use; a container may have fewer than the machine.

    As `os.process_cpu_count` of Python 3.13. A limit of CPU time is not a limit of cores.
    """
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
