"""Peak memory of an ingest, for a feed and for one that is ten times as large.

The feeds are made up by the program itself. The larger one may take at most a tenth more memory;
the exit code says whether that holds.

Usage: memory.py TWINKEEP [STAYS]
"""

import os
import subprocess
import sys
import tempfile

GROWTH_MAX = 1.10

twinkeep = os.path.abspath(sys.argv[1])
stays = int(sys.argv[2]) if len(sys.argv) > 2 else 4_000


def run(*args):
    subprocess.run([twinkeep, *args], check=True, stdout=subprocess.DEVNULL)


def peak_mib(*args):
    """Runs the program; returns the largest resident set that the kernel counted for it."""
    child = subprocess.Popen([twinkeep, *args], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{args[0]} failed")
    return usage.ru_maxrss / 1024


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ["XDG_STATE_HOME"] = folder + "/state"
    peaks = []
    print("\n## Peak memory of an ingest\n")
    print("| stays | archive, MiB | peak, MiB |")
    print("|---|---|---|")
    for count in (stays, 10 * stays):
        run("synth", "feed.tar.gz", "--stays", str(count))
        run("init", f"keep-{count}", "--key-file", "kek")
        size = os.path.getsize("feed.tar.gz") / 2**20
        peaks.append(peak_mib("--keep", f"keep-{count}", "ingest", "feed.tar.gz", "--quiet"))
        print(f"| {count:,} | {size:,.1f} | {peaks[-1]:,.0f} |", flush=True)
    growth = peaks[1] / peaks[0]
    print(f"\nTen times the feed takes {growth:.2f} times the memory (at most {GROWTH_MAX:.2f}).")
    sys.exit(growth > GROWTH_MAX)
