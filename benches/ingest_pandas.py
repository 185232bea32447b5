"""The peer of ingest.py: pandas reads and writes the same archive, pandera screens it."""

import io
import sys
import tarfile
import tomllib

import pandas as pd
import pandera.pandas as pa

archive, pack = sys.argv[1], sys.argv[2]
with open(pack, "rb") as file:
    variables = tomllib.load(file)["variable"]
ranges = {v["code"]: v["range"] for v in variables}

schema = pa.DataFrameSchema(
    {
        "Time": pa.Column(str, pa.Check.str_matches(r"^\d\d:\d\d$")),
        "Parameter": pa.Column(str, pa.Check.isin([*ranges, "RecordID"])),
        "Value": pa.Column(float, nullable=True, coerce=True),
    },
    checks=pa.Check(lambda rows: (rows["low"] <= rows["Value"]) & (rows["Value"] <= rows["high"])),
    drop_invalid_rows=True,
)

frames = []
with tarfile.open(archive, "r:gz") as tar:
    for member in tar:
        if member.isfile():
            text = tar.extractfile(member).read()
            frame = pd.read_csv(io.BytesIO(text))
            frame["subject"] = member.name
            frames.append(frame)
rows = pd.concat(frames, ignore_index=True)
rows["low"] = rows["Parameter"].map({code: bounds[0] for code, bounds in ranges.items()})
rows["high"] = rows["Parameter"].map({code: bounds[1] for code, bounds in ranges.items()})
rows = rows[rows["Value"] != -1]
good = schema.validate(rows, lazy=True)
refused = rows.loc[rows.index.difference(good.index)]
accepted = good.drop_duplicates()
accepted.to_parquet("accepted.parquet")
refused.to_parquet("refused.parquet")
