"""`make bench-forecast`: the protocol of t-PatchGNN on PhysioNet 2012, 24 h from 24 h.

Usage: forecast.py PROGRAM DATA [--seed N] [--threads N] [--only raw|screened]

Ours is trained and measured through the program: ingest, train --splits, evaluate --predictions.
The peers get the same events (as the keep exports them), the same split, and the same rows. The
error is computed here from the predictions, for all of them by the same lines.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time
import tomllib

import numpy as np
import pyarrow.parquet as pq

import peer
import stays

STATICS = ("Age", "Gender", "Height", "ICUType")


class Keep:
    """A keep in a folder of its own, used as a person does."""

    def __init__(self, program, folder, pack):
        self.program, self.folder = program, folder
        self.run("init", "keep", "--pack", str(pack), "--key-file", "kek")

    def run(self, *args):
        done = subprocess.run([self.program, *args, "--json"], cwd=self.folder, text=True,
                              capture_output=True, env={"XDG_STATE_HOME": f"{self.folder}/state"})
        if done.returncode:
            raise SystemExit(f"{' '.join(args)}: {done.stderr}")
        return json.loads(done.stdout.splitlines()[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("raw", "screened"))
    args = parser.parse_args()
    for mode in ("raw", "screened"):
        if args.only in (None, mode):
            with tempfile.TemporaryDirectory() as folder:
                run(mode, args, pathlib.Path(folder))


def run(mode, args, folder):
    shipped = pathlib.Path(__file__).parents[2] / "packs/icu.toml"
    variables = tomllib.loads(shipped.read_text())["variable"]
    codes = [variable["code"] for variable in variables]
    raw = stays.read_raw(args.data.resolve())
    records = [record for record, _ in raw]
    if mode == "raw":
        pack, source = folder / "raw.toml", folder / "raw.parquet"
        stays.raw_pack(shipped, pack)
        count = stays.write_meds(raw, source)
        keep = Keep(args.program.resolve(), folder, pack)
        report = keep.run("ingest", str(source))
        assert report["accepted"] == count, "the benchmark screens nothing"
    else:
        keep = Keep(args.program.resolve(), folder, "icu")
        for source in stays.archives(args.data.resolve()):
            keep.run("ingest", str(source))
    keep.run("export", "meds", "events", "--keep-ids")
    data = stays.read_meds(folder / "events")
    roles = stays.split(records, args.seed)
    lines = [f"{record},{roles[record]}" for record in records if record in data]
    (folder / "splits.csv").write_text("subject_id,split\n" + "\n".join(lines) + "\n")

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    trained = keep.run("train", "--splits", "splits.csv", "--threads", str(args.threads))
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    report = keep.run("evaluate", "--model", trained["version"], "--splits", "splits.csv",
                      "--predictions", "predictions.parquet")
    ours = pq.read_table(folder / "predictions.parquet").to_pydict()

    peers, peer_seconds, learned = peer.forecast(data, roles, codes, STATICS, args.threads)
    if mode == "screened":
        # What the product does not forecast cannot be compared: whether a ventilator is on.
        asked = {variable["code"] for variable in variables if variable["target"]}
        peers = {code: rows for code, rows in peers.items() if code in asked}
    scales = spans(data, roles)
    held_out = sum(role == "held_out" for role in roles.values())
    print(f"\n## {mode}: {len(records)} stays, {held_out} held out, split {args.seed}\n")
    table(ours, peers, scales)
    print(f"\nTraining with {args.threads} threads, seconds of CPU: twinkeep {cpu:.0f} for 8 outputs (mean"
          f" and 7 quantiles) from three cuts a stay, reading the keep and measuring included"
          f" ({seconds:.0f} s of wall time); LightGBM {peer_seconds['l2']:.0f} (L2) and"
          f" {peer_seconds['l1']:.0f} (L1) for one output each, from one cut, {learned:,} rows.")
    intervals(report["evaluation"])


def spans(data, roles):
    """Smallest to largest value of each variable over the stays that were seen, both windows."""
    low, high = {}, {}
    for subject, (_, names, values) in data.items():
        if roles[subject] == "held_out":
            continue
        for code in set(names):
            here = values[names == code]
            low[code] = min(low.get(code, np.inf), here.min())
            high[code] = max(high.get(code, -np.inf), here.max())
    return {code: (high[code] - low[code]) or 1.0 for code in low}


def table(ours, peers, scales):
    by_code = {}
    for at, code in enumerate(ours["code"]):
        by_code.setdefault(code, []).append(at)
    methods = {"carry-forward": [], "LightGBM, L2 head": [], "LightGBM, L1 head": [],
               "twinkeep, mean": [], "twinkeep, median": []}
    mase = {name: [] for name in methods}
    for code, peer_rows in peers.items():
        places = by_code[code]
        actual = np.array([ours["actual"][at] for at in places])
        # The same values on both sides, or the comparison means nothing.
        assert np.allclose(np.sort(actual), np.sort(peer_rows["actual"]), atol=1e-3), code
        carried = np.array([ours["carry_forward"][at] for at in places])

        def own(column):
            return np.array([value if (value := ours[column][at]) is not None else carried[n]
                             for n, at in enumerate(places)], dtype=float)

        truth = peer_rows["actual"]
        errors = {
            "carry-forward": peer_rows["carry_forward"] - truth,
            "LightGBM, L2 head": peer_rows["l2"] - truth,
            "LightGBM, L1 head": peer_rows["l1"] - truth,
            "twinkeep, mean": own("mean") - actual,
            "twinkeep, median": own("q50") - actual,
        }
        base = np.abs(errors["carry-forward"]).mean()
        for name, error in errors.items():
            scaled = error / scales.get(code, 1.0)
            methods[name].append((np.square(scaled).mean(), np.abs(scaled).mean()))
            if base > 0:
                mase[name].append(np.abs(error).mean() / base)
    print(f"| method | MSE, 1e-3 | MAE, 1e-2 | median MASE | variables better than carry-forward |")
    print("|---|---|---|---|---|")
    for name, errors in methods.items():
        mse, mae = np.mean(errors, axis=0)
        better = sum(ratio < 1 for ratio in mase[name])
        print(f"| {name} | {1e3 * mse:.2f} | {1e2 * mae:.2f} | {statistics.median(mase[name]):.3f}"
              f" | {better} of {len(mase[name])} |")


def intervals(evaluation):
    targets = [it for it in evaluation["targets"] if it["value_count"] >= 500]
    off = [it for it in targets if abs(it["coverage_90"] - 0.9) > 0.015]
    print(f"\n90 % intervals: {100 * evaluation['coverage_90_mean']:.1f} % in the mean over targets;"
          f" of {len(targets)} targets with 500 values or more, {len(targets) - len(off)} are within"
          f" 1.5 points. Outside: "
          + (", ".join(f"{it['code']} {100 * it['coverage_90']:.1f} %" for it in off) or "none") + ".")
    worse = [it for it in evaluation["targets"] if it["value_count"] >= 200 and (it["mase"] or 0) > 1]
    print(f"Targets with 200 values or more that are worse than carry-forward: "
          + (", ".join(f"{it['code']} {it['mase']:.3f}" for it in worse) or "none") + ".")
    print("\n| target | values | MASE | 90 % covers | width |\n|---|---|---|---|---|")
    for it in evaluation["targets"]:
        if it["value_count"] and it["mase"] is not None:
            print(f"| {it['code']} | {it['value_count']:,} | {it['mase']:.3f}"
                  f" | {100 * it['coverage_90']:.1f} % | {it['width_90']:.3g} |")


if __name__ == "__main__":
    main()
