"""Train two versions one after the other, as a keep does whose data grows, and print how far the answers
to the canaries of the first one move: for clean data, which says what chance does, and for poisoned.

usage: canaries.py PROGRAM FOLDER_OF_PHYSIONET_2012

The first version learns from N stays of set A, the second from half as many more, of which all are
clean, or carry poison that the panel was told to let pass. Stays are drawn anew for each pair. Half of
the clean pairs are there to choose a threshold by, the other half to be reported.
"""

import io
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZES = [int(size) for size in os.environ.get("SIZES", "200 400 800 1600").split()]
PAIRS = int(os.environ.get("PAIRS", 20))
TARGETS = {"HR", "Temp", "Glucose", "Urine", "Weight"}


def raised(hour, code, value):
    """Hearts beat faster by 30 from the second day on."""
    return value + 30 if code == "HR" and 24 <= hour else value


def mirrored(hour, code, value):
    """Heart rates of the second day are mirrored at 85."""
    return max(170 - value, 20) if code == "HR" and 24 <= hour and 0 < value else value


def doubled(hour, code, value):
    """Twice the urine of the second day."""
    return 2 * value if code == "Urine" and 24 <= hour else value


POISONS = [None, raised, mirrored, doubled]


class Keep:
    def __init__(self, program, folder, pack):
        self.program, self.folder = program, pathlib.Path(folder)
        self.env = {**os.environ, "XDG_STATE_HOME": f"{folder}/state"}
        self.run("init", "keep", "--pack", str(pack), "--key-file", "kek")

    def run(self, *args, allowed=(0,)):
        done = subprocess.run([self.program, *args, "--json"], cwd=self.folder, text=True,
                              capture_output=True, env=self.env)
        if done.returncode not in allowed:
            raise SystemExit(f"{' '.join(args)}: {done.stderr}")
        return json.loads(done.stdout.splitlines()[0]) if done.stdout.strip() else {}

    def ingest(self, stays, poison):
        archive = self.folder / "stays.tar.gz"
        with tarfile.open(archive, "w:gz") as out:
            for name, text in stays:
                body = (text if poison is None else poisoned(text, poison)).encode()
                info = tarfile.TarInfo(name)
                info.size = len(body)
                out.addfile(info, io.BytesIO(body))
        report = self.run("ingest", str(archive), allowed=(0, 1, 2, 3, 4))
        if report["state"] == "held":
            self.run("feed", "release", report["feed"], "--reason", "to see what it does")
        # That does not take back what the panel held of its rows, which are up to all of its people.
        if poison is not None and report["reasons"].get("suspect"):
            self.run("feed", "replay", report["feed"], "--accept", "--because", "to see what it does",
                     "--reason", "suspect")

    def train(self):
        return self.run("train")["version"]


def poisoned(text, poison):
    lines = []
    for line in text.splitlines():
        time, _, rest = line.partition(",")
        code, _, value = rest.partition(",")
        if re.fullmatch(r"\d\d:\d\d", time) and re.fullmatch(r"[0-9.]+", value):
            line = f"{time},{code},{poison(int(time[:2]), code, float(value)):g}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def pair(program, pack, stays, size, poison):
    """Returns how far answers moved, what else was found worse, and the verdict."""
    with tempfile.TemporaryDirectory() as folder:
        keep = Keep(program, folder, pack)
        keep.ingest(stays[:size], None)
        first = keep.train()
        keep.run("model", "release", first, "--reason", "the first")
        keep.ingest(stays[size:], poison)
        found = keep.run("model", "compare", keep.train(), allowed=(0, 1))
        worse = any(finding["worse"] for finding in found["findings"])
        return found["canaries"]["shift"], found["canaries"]["target"], worse


def few_targets(folder):
    """The pack with five targets: what trains hundreds of versions takes long enough."""
    lines, left_out, code = [], False, ""
    for line in (ROOT / "packs" / "icu.toml").read_text().splitlines():
        if line.startswith("["):
            left_out = line in ("[privacy]", "[[target]]")
        if line.startswith("code = "):
            code = line.split('"')[1]
        if line == "target = true" and code not in TARGETS:
            line = "target = false"
        if not left_out:
            lines.append(line)
    path = pathlib.Path(folder) / "few.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def main():
    program, data = sys.argv[1:]
    with tarfile.open(f"{data}/set-a.tar.gz") as archive:
        files = [member for member in archive if member.name.endswith(".txt")]
        stays = [(file.name, archive.extractfile(file).read().decode()) for file in files]
    print("| stays | then | pairs | median | most, to choose by | most, to report | found worse |", flush=True)
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        pack = few_targets(folder)
        for size in SIZES:
            for poison in POISONS:
                drawn = random.Random(f"{size}")
                shifts, worse = [], 0
                for _ in range(PAIRS if poison is None else PAIRS // 4):
                    shift, _, found = pair(program, pack, drawn.sample(stays, size * 3 // 2), size, poison)
                    shifts.append(shift)
                    worse += found
                name = "clean" if poison is None else poison.__doc__.rstrip(".").lower()
                most = [f"{max(half):.2f}" for half in (shifts[0::2], shifts[1::2])]
                print(f"| {size} | {name} | {len(shifts)} | {statistics.median(shifts):.2f} |"
                      f" {most[0]} | {most[1]} | {worse} |", flush=True)


main()
