"""Makes tables and streams with and without drift, and asks our detectors and others about them.

Usage: drift.py PROGRAM [TABLES]
"""

import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
program = sys.argv[1]
tables = int(sys.argv[2]) if len(sys.argv) > 2 else 20
COLUMNS, SHIFTED = 20, 5


def make(random, before, now, shift):
    one = random.normal(size=(COLUMNS, before))
    other = random.normal(size=(COLUMNS, now))
    other[:SHIFTED] += shift
    return one, other


def ours(cases):
    before, now = cases[0][0].shape[1], cases[0][1].shape[1]
    with tempfile.NamedTemporaryFile() as file:
        for one, other in cases:
            file.write(one.tobytes() + other.tobytes())
        file.flush()
        args = [program, "tables", COLUMNS, before, now, len(cases), file.name]
        lines = subprocess.run([str(it) for it in args], check=True, capture_output=True, text=True)
    *verdicts, seconds = lines.stdout.splitlines()
    read = lambda text: {int(it) for it in text.split(",") if it}
    moved = [read(line.split(";")[0]) for line in verdicts]
    return moved, sum(float(it) for it in seconds.split()[1:])


def evidently(method):
    from evidently import Report
    from evidently.presets import DataDriftPreset

    def run(cases):
        found, seconds = [], 0.0
        for one, other in cases:
            names = [f"c{at}" for at in range(COLUMNS)]
            frames = [pd.DataFrame(part.T, columns=names) for part in (other, one)]
            started = time.perf_counter()
            snapshot = Report([DataDriftPreset(num_method=method)]).run(*frames)
            said = snapshot.dict()
            seconds += time.perf_counter() - started
            drifted = set()
            for metric in said["metrics"]:
                config = metric.get("config", {})
                if "column" not in config:
                    continue
                value, threshold = float(metric["value"]), config["threshold"]
                by_p = "p_value" in config["method"] or "p-value" in metric["metric_name"] or method == "ks"
                if value < threshold if by_p else threshold <= value:
                    drifted.add(int(config["column"][1:]))
            found.append(drifted)
        return found, seconds

    return run


def nannyml(method):
    import nannyml

    def run(cases):
        found, seconds = [], 0.0
        for one, other in cases:
            names = [f"c{at}" for at in range(COLUMNS)]
            before, now = (pd.DataFrame(part.T, columns=names) for part in (one, other))
            started = time.perf_counter()
            calculator = nannyml.UnivariateDriftCalculator(
                column_names=names, continuous_methods=[method], chunk_size=other.shape[1])
            calculator.fit(before)
            said = calculator.calculate(now).to_df()
            seconds += time.perf_counter() - started
            last = said[said[("chunk", "chunk", "period")] == "analysis"]
            found.append({at for at, name in enumerate(names) if last[(name, method, "alert")].any()})
        return found, seconds

    return run


def peers():
    yield "twinkeep", ours
    for method in ["ks", "psi", "wasserstein", "jensenshannon"]:
        yield f"Evidently {method}", evidently(method)
    try:
        for method in ["kolmogorov_smirnov", "jensen_shannon", "wasserstein"]:
            yield f"NannyML {method}", nannyml(method)
    except ImportError as error:
        print(f"NannyML is left out: {error}")


def compare():
    print(f"{COLUMNS} columns, {SHIFTED} of them shifted; {tables} tables each")
    for before, now in [(1000, 200), (5000, 1000)]:
        for shift in [0.0, 0.3, 0.5]:
            random = np.random.default_rng(7)
            cases = [make(random, before, now, shift) for _ in range(tables)]
            truth = set(range(SHIFTED)) if shift else set()
            for name, run in peers():
                try:
                    found, seconds = run(cases)
                except Exception as error:
                    print(f"{name:28} failed: {type(error).__name__}: {error}"[:150])
                    continue
                caught = sum(len(it & truth) for it in found)
                false = sum(len(it - truth) for it in found)
                wrong = sum(bool(it - truth) for it in found)
                print(f"{before}/{now} shift {shift}: {name:28} found {caught}/{len(truth) * tables}, "
                      f"false columns {false}, tables with a false alarm {wrong}/{tables}, {seconds:.3f} s")


def large():
    random = np.random.default_rng(8)
    case = [make(random, 100_000, 100_000, 0.3)]
    base = None
    for name, run in peers():
        try:
            found, seconds = run(case)
        except Exception as error:
            print(f"{name:28} failed: {type(error).__name__}")
            continue
        base = base or seconds
        print(f"100,000/100,000 shift 0.3: {name:28} found {len(found[0])} columns, {seconds:.3f} s, "
              f"{seconds / base:.0f}x")


def streams():
    from river import drift

    length, count = 20_000, 20
    for jump in [0.0, 0.25, 0.5, 1.0]:
        random = np.random.default_rng(9)
        values = random.normal(size=(count, length))
        values[:, length * 3 // 4:] += jump
        values = np.clip(0.5 + values / 10, 0, 1)
        with tempfile.NamedTemporaryFile() as file:
            file.write(values.tobytes())
            file.flush()
            args = [program, "streams", str(length), str(count), file.name]
            lines = subprocess.run(args, check=True, capture_output=True, text=True).stdout.splitlines()
        change, half = length * 3 // 4, length // 2
        hinkley = [int(line.split(";")[0]) for line in lines[:-1]]
        hinkley = [[it + half] if 0 <= it else [] for it in hinkley]
        adwin = [[int(it) for it in line.split(";")[1].split(",") if it] for line in lines[:-1]]
        seconds = [float(it) for it in lines[-1].split()[1:]]
        rows = [("twinkeep Page-Hinkley", hinkley, seconds[0]), ("twinkeep ADWIN", adwin, seconds[1])]
        for name, maker in [("River PageHinkley", drift.PageHinkley), ("River ADWIN", drift.ADWIN)]:
            started = time.perf_counter()
            found = []
            for stream in values:
                detector, alarms = maker(), []
                for at, value in enumerate(stream):
                    detector.update(float(value))
                    if detector.drift_detected:
                        alarms.append(at)
                found.append(alarms)
            rows.append((name, found, time.perf_counter() - started))
        for name, found, seconds in rows:
            early = sum(any(at < change for at in alarms) for alarms in found)
            delays = [min(at for at in alarms if change <= at) - change
                      for alarms in found if any(change <= at for at in alarms)]
            delay = f"{np.median(delays):.0f}" if delays else "-"
            print(f"streams of {length}, jump {jump}: {name:22} false in {early}/{count}, noticed in "
                  f"{len(delays)}/{count}, after {delay}, {seconds:.3f} s")


compare()
large()
streams()
