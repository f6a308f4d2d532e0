"""Who watches for a moment has to see it, on a machine that is busy, too."""
import contextlib
import os


@contextlib.contextmanager
def first():
    """This process runs before everything else that wants a CPU."""
    with contextlib.suppress(OSError):  # a cgroup may have no such time to give
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
