"""The peer of ingest.py: pandas reads, screens, and writes the same archive."""

import io
import sys
import tarfile
import tomllib

import pandas as pd

archive, pack = sys.argv[1], sys.argv[2]
with open(pack, "rb") as file:
    variables = tomllib.load(file)["variable"]
ranges = {v["code"]: v["range"] for v in variables}

frames = []
with tarfile.open(archive, "r:gz") as tar:
    for member in tar:
        if member.isfile():
            text = tar.extractfile(member).read()
            frame = pd.read_csv(io.BytesIO(text))
            frame["subject"] = member.name
            frames.append(frame)
rows = pd.concat(frames, ignore_index=True)
value = pd.to_numeric(rows["Value"], errors="coerce")
low = rows["Parameter"].map({code: bounds[0] for code, bounds in ranges.items()})
high = rows["Parameter"].map({code: bounds[1] for code, bounds in ranges.items()})
missing = value == -1
good = (value >= low) & (value <= high) & ~missing
refused = rows[~good & ~missing]
accepted = rows[good].drop_duplicates()
accepted.to_parquet("accepted.parquet")
refused.to_parquet("refused.parquet")
