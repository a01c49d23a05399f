"""What a process can ask of the system to be on time, and a plain word where it may not.

SCHED_FIFO 50 stays below PipeWire (60) and JACK (70): whoever owns the device comes first. A process that waits for
work may hold it; one that spins may not (the kernel stops it for 50 ms a second, measured).
"""

import ctypes
import gc
import os
from pathlib import Path

FIFO_PRIORITY = 50
IDLE_LIMIT = Path("/dev/cpu_dma_latency")
"""What the kernel is told here, in microseconds, no idle core's way back may exceed as long as the file is open."""
_IDLE_DRIVER = Path("/sys/devices/system/cpu/cpuidle/current_driver")
_BARE_MICROSECONDS = 10  # a first sleep is shorter, a deep one, which empties the caches, is longer
_MCL_CURRENT, _MCL_FUTURE = 1, 2


def enter_real_time() -> str:
    """Ask for SCHED_FIFO, locked memory and a quiet garbage collector; return `fifo` or why not."""
    gc.collect()
    gc.freeze()  # a full collection took 52 ms over 600 000 objects, 0.002 ms after freezing (measured)
    lock_memory()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except (PermissionError, OSError) as error:
        return f"normal scheduling ({error.strerror})"
    return "fifo"


def lock_memory() -> bool:
    """Keep this process's pages in memory; False where the system does not allow it."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0)


class WakeLock:
    """Keeps idle cores from deep sleep while it is held, where the system allows it.

    A core that sleeps gives its caches and its place up, and the hop that wakes it pays for both. In a virtual machine every
    sleep is one: the core goes back to the hypervisor. There an idle core polls instead.
    """

    def __init__(self) -> None:
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether the system has granted it."""
        return self._descriptor >= 0

    def hold(self, wanted: bool) -> None:
        """Hold it or let it go; the system does the latter where the process ends."""
        if wanted == self.held:
            return
        if not wanted:
            os.close(self._descriptor)
            self._descriptor = -1
            return
        try:
            descriptor = os.open(IDLE_LIMIT, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:  # an ordinary user is rarely allowed; then everything is as it was
            return
        try:
            os.write(descriptor, idle_microseconds().to_bytes(4, "little"))
        except OSError:
            os.close(descriptor)
        else:
            self._descriptor = descriptor


def idle_microseconds() -> int:
    """Return how long an idle core's way back may be here: 0, polling, in a virtual machine that says it is one."""
    try:
        return 0 if _IDLE_DRIVER.read_text(encoding="ascii").strip() == "haltpoll" else _BARE_MICROSECONDS
    except OSError:
        return _BARE_MICROSECONDS


def keep_to_core(core: int) -> bool:
    """Have this process run on one core alone, whose caches it then finds as it left them; False where that is not allowed."""
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        return False
    return True
