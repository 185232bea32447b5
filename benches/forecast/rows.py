"""How long the same rows take: ours with all eight outputs, LightGBM with one.

Usage: rows.py PROGRAM ARCHIVE [THREADS]

The program learns all values of the shipped pack, without and with teachers, and then hands out the
rows and features that it learned from. LightGBM learns each target from those, with as many
threads, and stops on the same tuning rows. Seconds are of CPU; wall time stands beside it.
"""

import json
import subprocess
import sys
import time

import lightgbm
import numpy as np

import peer


def main(program, archive, threads="2"):
    seconds = {}
    for teachers in (3, 0):
        ran = subprocess.Popen([program, archive, threads, str(teachers)], stdout=subprocess.PIPE)
        ours = json.loads(ran.stdout.readline())
        name = f"twinkeep, 8 outputs{f', {teachers} teachers' if teachers else ''}"
        seconds[name] = (ours["cpu"], ours["wall"])
        if teachers:
            ran.stdout.close()
            ran.kill(), ran.wait()
    tables = list(read(ran.stdout))
    ran.wait()
    for head in ("l2", "l1"):
        began = time.process_time(), time.perf_counter()
        for width, (x, y), (tuning_x, tuning_y) in tables:
            if len(y) < 20 or len(tuning_y) < 20:
                continue
            teach = lightgbm.Dataset(x, y)
            stop = lightgbm.Dataset(tuning_x, tuning_y, reference=teach)
            lightgbm.train(peer.parameters(head, len(y), int(threads)), teach, 400, valid_sets=[stop],
                           callbacks=[lightgbm.early_stopping(20, verbose=False)])
        seconds[f"LightGBM, {head.upper()} head"] = (
            time.process_time() - began[0], time.perf_counter() - began[1])
    rows, width = sum(len(y) for _, (_, y), _ in tables), tables[0][0]
    print(f"\n{len(tables)} targets, {rows:,} rows of {width} features, {threads} threads\n")
    print("| learner | CPU, s | wall, s |")
    print("|---|---|---|")
    for name, (cpu, wall) in seconds.items():
        print(f"| {name} | {cpu:.1f} | {wall:.1f} |")


def read(stream):
    """The tables of each target: width, and features and labels of both splits."""
    while line := stream.readline():
        head = json.loads(line)
        width = head["width"]

        def table(rows):
            numbers = np.frombuffer(stream.read(4 * rows * (width + 1)), np.float32)
            return numbers[: rows * width].reshape(rows, width), numbers[rows * width :]

        yield width, *[table(rows) for rows in head["rows"]]


if __name__ == "__main__":
    main(*sys.argv[1:])
