"""Stays of PhysioNet 2012: reading them, writing them as MEDS, and the split of the protocol."""

import pathlib
import tarfile
import tomllib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Where Twinkeep places times that count from admission.
ORIGIN = 946_684_800_000_000
MICROS_PER_HOUR = 3_600_000_000


def archives(folder):
    """The sets that are there, in order."""
    return [path for path in (folder / f"set-{name}.tar.gz" for name in "abc") if path.exists()]


def read_raw(folder):
    """All sets: [(record id, {(minutes, code): mean of the values})], sorted within a set."""
    stays = []
    for path in archives(folder):
        with tarfile.open(path) as archive:
            members = [it for it in archive if it.isfile() and it.name.endswith(".txt")]
            for member in sorted(members, key=lambda it: it.name):
                stays.append(stay(archive.extractfile(member).read().decode()))
    return stays


def stay(text):
    record, values = None, {}
    for line in text.splitlines()[1:]:
        time, code, value = line.split(",")
        if code == "RecordID":
            record = int(float(value))
        elif code:
            hours, minutes = time.split(":")
            values.setdefault((int(hours) * 60 + int(minutes), code), []).append(float(value))
    return record, {key: sum(all_) / len(all_) for key, all_ in values.items()}


def write_meds(stays, path):
    """Writes stays as the data table of MEDS; returns how many rows."""
    rows = [
        (record, ORIGIN + minutes * 60_000_000, code, value)
        for record, values in stays
        for (minutes, code), value in sorted(values.items())
    ]
    ids, times, codes, numbers = zip(*rows)
    table = pa.table(
        {
            "subject_id": pa.array(ids, pa.int64()),
            "time": pa.array(times, pa.timestamp("us")),
            "code": pa.array(codes, pa.string()),
            "numeric_value": pa.array(numbers, pa.float32()),
        }
    )
    pq.write_table(table, path)
    return len(rows)


def raw_pack(shipped, path):
    """Writes the shipped pack without anything that screens: sentinels and outliers stay in."""
    pack = tomllib.loads(pathlib.Path(shipped).read_text())
    plan = pack["forecast"]
    lines = ["format = 4", 'name = "icu-raw"', 'title = "Intensive care, not screened"', "version = 1"]
    lines += ["[words]", 'subject = "patient"', 'subjects = "patients"', "[forecast]"]
    for key, value in plan.items():
        if key == "splits":
            value = "{ " + ", ".join(f"{name} = {share}" for name, share in value.items()) + " }"
        lines.append(f"{key} = {value}")
    # What protects those who teach the model costs accuracy, so it is measured too.
    lines += ["[privacy]"] + [f"{key} = {value}" for key, value in pack["privacy"].items()]
    for variable in pack["variable"]:
        lines += ["[[variable]]"]
        lines += [f'{key} = "{variable[key]}"' for key in ("code", "title", "unit", "kind")]
        # Every channel that changes is asked for, also those that the product does not forecast.
        target = str(variable["kind"] == "series").lower()
        lines += [f"target = {target}", "range = [-1e9, 1e9]"]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def read_meds(folder):
    """Reads a data set of MEDS: {subject: (hours, codes, values)}, static ones at hour NaN."""
    found = {}
    for path in sorted(pathlib.Path(folder, "data").rglob("*.parquet")):
        table = pq.read_table(path)
        ids = table["subject_id"].to_numpy()
        # A time that is missing becomes NaN.
        micros = table["time"].cast(pa.int64()).to_numpy(zero_copy_only=False).astype(float)
        hours = (micros - ORIGIN) / MICROS_PER_HOUR
        codes = np.array(table["code"].to_pylist())
        values = table["numeric_value"].to_numpy()
        order = np.argsort(ids, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1):
            found[int(ids[part[0]])] = (hours[part], codes[part], values[part])
    return found


def split(records, seed):
    """80 % seen, 20 % held out, as scikit-learn's `train_test_split` shuffles; of the seen, the
    first 75 % train and the rest tune."""
    order = np.random.RandomState(seed).permutation(len(records))
    held_out = int(np.ceil(0.2 * len(records)))
    seen = order[held_out:]
    train = int(0.75 * len(seen))
    roles = {}
    for places, role in ((order[:held_out], "held_out"), (seen[:train], "train"), (seen[train:], "tuning")):
        roles.update((records[place], role) for place in places)
    return roles
