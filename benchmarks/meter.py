"""Runs a command, several times at once, and prints what it cost.

``python3 -I -S meter.py TIMES OUTPUT COMMAND [ARGUMENT...]``: in a process that imports next to
nothing, because the peak memory of a command is never below that of the process which starts it.
Its standard output goes to the file OUTPUT.  Prints the first exit status that is not 0 (or 0),
wall seconds to the end of the last, CPU seconds of all, and the highest peak in KiB.
"""

import os
import sys
import time

times, output, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
streams = [
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, output, writing, 0o600),
    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
]
begun = time.perf_counter()
for _ in range(times):
    os.posix_spawn(command[0], command, os.environ, file_actions=streams)
failed, cpu, peak = 0, 0.0, 0
for _ in range(times):
    _, status, used = os.wait4(-1, 0)
    failed = failed or status
    cpu += used.ru_utime + used.ru_stime
    peak = max(peak, used.ru_maxrss)
print(failed, time.perf_counter() - begun, cpu, peak)
