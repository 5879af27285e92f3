"""Memory of a process with all that it started."""

import psutil


def family_memory(process: psutil.Process) -> int:
    """Unique memory (bytes) of a process and all its children."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_full_info().uss
        except psutil.Error:  # it ended meanwhile
            continue
    return total
