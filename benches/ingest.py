"""Ingest 4,000 stays (PhysioNet 2012, set a): read, screen, store encrypted; beside pandas
with pandera.

The peer reads the same archive, checks the same ranges, drops duplicates, and writes Parquet in
the clear: less than what ours does, with the tools that people do it with.

Usage: ingest.py TWINKEEP [ROUNDS]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import compare, table

ROWS = 1_757_980

twinkeep = sys.argv[1]
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
root = Path(__file__).resolve().parent.parent
data = Path(os.environ.get("TWINKEEP_DATA", root.parent / "shared" / "data"))
archive = data / "physionet2012" / "set-a.tar.gz"
if not archive.exists():
    print(f"\nskipped: ingest needs {archive.name}; set TWINKEEP_DATA to the folder of data sets")
    sys.exit(0)

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ["XDG_STATE_HOME"] = folder + "/state"
    peer = f"{sys.executable} {root}/benches/ingest_pandas.py {archive} {root}/packs/icu.toml"
    commands = {
        "twinkeep ingest": f"{twinkeep} --keep keep ingest {archive} --quiet",
        "pandas + pandera": peer,
    }

    def fresh(name):
        if name == "twinkeep ingest":
            shutil.rmtree("keep", ignore_errors=True)
            init = [twinkeep, "init", "keep", "--key-file", "kek"]
            subprocess.run(init, check=True, stdout=subprocess.DEVNULL)

    cpu, wall = compare(commands, rounds, fresh)
    table("Ingest PhysioNet 2012, set a", "rows", ROWS, cpu, wall, "twinkeep ingest")
