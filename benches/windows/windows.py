"""Online Retail: what customers do in the next weeks, by Twinkeep and by LightGBM.

Both learn from the same customers, at the same moments: days 30, 60, 90, and 120 after the first
purchase, and every four weeks. Both are measured on the same held-out customers on day 90.
LightGBM gets the features that an analyst would write: recency, frequency, amounts, and their
trends. Its trees stop on the tuning customers, as ours do.
"""

import csv
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime

import lightgbm
import numpy as np

DAY, WEEK = 86_400.0, 604_800.0
CUT_DAYS, EVALUATION_DAY, EVERY = (30, 60, 90, 120), 90, 4 * WEEK
THREADS = 2


def purchases(path):
    """{customer: sorted (time, amount, pieces, lines)}, {customer: times of returns}, end of data."""
    invoices, returned, end = {}, {}, 0.0
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if not row["CustomerID"]:
                continue
            moment = datetime.strptime(row["InvoiceDate"], "%Y-%m-%d %H:%M:%S").timestamp()
            key = (int(float(row["CustomerID"])), row["InvoiceNo"])
            quantity, price = float(row["Quantity"]), float(row["UnitPrice"])
            end = max(end, moment)
            if row["InvoiceNo"][0] in "Cc":
                returned.setdefault(key, moment)
            elif row["InvoiceNo"][0] != "A" and quantity > 0:
                old = invoices.get(key, (moment, 0.0, 0.0, 0))
                invoices[key] = (old[0], old[1] + quantity * price, old[2] + quantity, old[3] + 1)
    bought, back = defaultdict(list), defaultdict(list)
    for (customer, _), invoice in invoices.items():
        bought[customer].append(invoice)
    for (customer, _), moment in returned.items():
        back[customer].append(moment)
    for events in bought.values():
        events.sort()
    return bought, back, end


def features(events, returned, start, cut):
    """What an analyst knows of a customer at a moment."""
    times = np.array([event[0] for event in events])
    amounts = np.array([event[1] for event in events])
    age = (cut - times) / WEEK
    gaps = np.diff(times) / WEEK
    within = lambda weeks, what: float(what[age <= weeks].sum())
    fade = lambda weeks, what: float((what * np.exp(-age / weeks)).sum())
    ones = np.ones_like(times)
    return [
        age[-1], len(times), amounts.sum(), amounts.mean(), amounts[-1], amounts.max(),
        within(4, amounts), within(4, ones), within(1, amounts), within(13, amounts), within(13, ones),
        gaps.mean() if len(gaps) else np.nan, gaps[-1] if len(gaps) else np.nan,
        age[-1] / max(gaps.mean(), 0.05) if len(gaps) else np.nan,
        fade(1, ones), fade(4, ones), fade(13, ones), fade(1, amounts), fade(4, amounts), fade(13, amounts),
        events[-1][2], events[-1][3], sum(moment < cut for moment in returned), (cut - start) / WEEK,
    ]


def examples(bought, back, end, split):
    """Rows of all customers: {name: (features, label, split, is the evaluation cut, before)}."""
    rows = {name: [] for name in ("Spend4w", "Visits4w", "Return4w", "Churn13w")}
    for customer, events in bought.items():
        returned = back.get(customer, [])
        start = min([events[0][0], *returned])
        cuts = {start + day * DAY for day in CUT_DAYS}
        cuts |= {start + at * EVERY for at in range(1, int((end - start) // EVERY) + 1)}
        for cut in sorted(cuts):
            past = [event for event in events if event[0] < cut]
            known = 3 * len(past) + 2 * sum(moment < cut for moment in returned)
            if known < 6 or not past or end < cut:
                continue
            x = features(past, returned, start, cut)
            tail = (split[customer], abs(cut - start - EVALUATION_DAY * DAY) < 1)
            later = [event for event in events if cut <= event[0] <= cut + 4 * WEEK]
            last = [event for event in past if cut - 4 * WEEK <= event[0]]
            days = lambda of: len({int(event[0] // DAY) for event in of})
            if cut + 4 * WEEK <= end:
                rows["Spend4w"].append((x, sum(e[1] for e in later), *tail, sum(e[1] for e in last)))
                rows["Visits4w"].append((x, days(later), *tail, days(last)))
                rows["Return4w"].append((x, bool(later), *tail, 0))
            if cut + 13 * WEEK <= end:
                quiet = not any(cut <= event[0] <= cut + 13 * WEEK for event in events)
                rows["Churn13w"].append((x, quiet, *tail, 0))
    return rows


def learn(objective, rows):
    """Trains on the train rows, stops on the tuning rows, answers for the held-out ones."""
    x = np.array([row[0] for row in rows], np.float32)
    y = np.array([row[1] for row in rows], np.float64)
    role = np.array([row[2] for row in rows])
    measured = (role == "held_out") & np.array([row[3] for row in rows])
    parameters = {
        "objective": objective, "learning_rate": 0.04, "num_leaves": 15, "min_data_in_leaf": 40,
        "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5,
        "num_threads": THREADS, "seed": 42, "verbosity": -1,
    }
    if objective == "tweedie":
        parameters["tweedie_variance_power"] = 1.5
    teach = lightgbm.Dataset(x[role == "train"], y[role == "train"])
    stop = lightgbm.Dataset(x[role == "tuning"], y[role == "tuning"], reference=teach)
    booster = lightgbm.train(parameters, teach, 600, valid_sets=[stop],
                             callbacks=[lightgbm.early_stopping(20, verbose=False)])
    return booster.predict(x[measured], num_iteration=booster.best_iteration), y[measured], measured


def auc(said, happened):
    order = np.argsort(said, kind="stable")
    ranks = np.empty(len(said))
    ranks[order] = np.arange(1, len(said) + 1)
    for value in np.unique(said):
        ranks[said == value] = ranks[said == value].mean()
    yes = happened > 0
    return (ranks[yes].sum() - yes.sum() * (yes.sum() + 1) / 2) / (yes.sum() * (~yes).sum())


def ours(binary, file, split):
    """Ingests, trains by the same splits, and returns what training measured, and the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with open(folder / "splits.csv", "w", newline="") as out:
            csv.writer(out).writerows([("subject_id", "split"), *sorted(split.items())])
        surroundings = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}

        def run(*arguments):
            ran = subprocess.run([binary, *arguments, "--json"], cwd=folder, check=True,
                                 capture_output=True, text=True, env=surroundings)
            return json.loads(ran.stdout.splitlines()[0])

        run("init", "keep", "--pack", "audience", "--key-file", "keep.kek")
        run("ingest", file)
        began = time.monotonic()
        report = run("train", "--splits", "splits.csv", "--threads", str(THREADS))
        seconds = time.monotonic() - began
        return {window["code"]: window for window in report["evaluation"]["windows"]}, seconds


def main(binary, file, seed=42):
    bought, back, end = purchases(file)
    customers = sorted(set(bought) | set(back))
    random.Random(seed).shuffle(customers)
    parts = len(customers) * 3 // 5, len(customers) * 4 // 5
    split = {who: ["train", "tuning", "held_out"][(at >= parts[0]) + (at >= parts[1])]
             for at, who in enumerate(customers)}
    rows = examples(bought, back, end, split)
    found, seconds = ours(str(pathlib.Path(binary).resolve()), str(pathlib.Path(file).resolve()), split)
    print(f"seed {seed}; all targets of the pack trained in {seconds:.1f} s (with reading and measuring)\n")
    print("| target | measure | Twinkeep | LightGBM | as before | as usual | customers (ours, peer's) |")
    print("|---|---|---|---|---|---|---|")
    for name, objective in (("Spend4w", "tweedie"), ("Visits4w", "poisson")):
        total, count = found[name]["total"], found[name]["subject_count"]
        median, actual, measured = learn("regression_l1", rows[name])
        mean, _, _ = learn(objective, rows[name])
        mae, rmse = np.abs(median - actual).mean(), np.sqrt(((mean - actual) ** 2).mean())
        own = f"| {count}, {measured.sum()} |"
        print(f"| {name} | MAE | {total['mae']:.3f} | {mae:.3f} | {total['carry_forward_mae']:.3f} "
              f"| {total['usual_mae']:.3f} {own}")
        print(f"| {name} | RMSE | {total['rmse']:.3f} | {rmse:.3f} | {total['carry_forward_rmse']:.3f} "
              f"| {total['usual_rmse']:.3f} {own}")
        print(f"| {name} | 90 % interval covers | {total['coverage_90']:.3f} | | | {own}")
    for name in ("Return4w", "Churn13w"):
        last = found[name]["events"][-1]
        said, happened, measured = learn("binary", rows[name])
        own = f"| | | {last['known_count']}, {measured.sum()} |"
        print(f"| {name} | AUC | {last['auc']:.3f} | {auc(said, happened):.3f} {own}")
        print(f"| {name} | Brier ({last['base_brier']:.4f} by the base rate) | {last['brier']:.4f} "
              f"| {((said - happened) ** 2).mean():.4f} {own}")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:4]))
