"""Ingest the MIMIC-IV demo as MEDS Parquet (916,166 events); beside MEDS_transforms.

The peer reads the same file, screens values by their distance from the mean of their code
(`aggregate_code_metadata`, `occlude_outliers`), and writes Parquet in the clear.

Usage: ingest_meds.py TWINKEEP [ROUNDS]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polars

from measure import compare, table

ROWS = 916_166

twinkeep = sys.argv[1]
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
root = Path(__file__).resolve().parent.parent
data = Path(os.environ.get("TWINKEEP_DATA", root.parent / "shared" / "data"))
source = data / "mimic-iv-demo-meds" / "meds_schema_events.parquet"
if not source.exists():
    print(f"\nskipped: ingest needs {source.name}; set TWINKEEP_DATA to the folder of data sets")
    sys.exit(0)

PIPELINE = """
input_dir: in
output_dir: out
stages:
  - aggregate_code_metadata:
      aggregations: ["values/n_occurrences", "values/sum", "values/sum_sqd"]
  - occlude_outliers:
      stddev_cutoff: 5
"""

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ["XDG_STATE_HOME"] = folder + "/state"
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    Path("in/data/train").mkdir(parents=True)
    Path("in/metadata").mkdir()
    Path("pipeline.yaml").write_text(PIPELINE)
    events = polars.read_parquet(source)
    text = polars.lit(None, dtype=polars.String)
    events.with_columns(text_value=text).write_parquet("in/data/train/0.parquet")
    people = events.select("subject_id").unique().with_columns(split=polars.lit("train"))
    people.write_parquet("in/metadata/subject_splits.parquet")
    codes = events.select(polars.col("code").unique().sort())
    parents = polars.lit(None, dtype=polars.List(polars.String))
    codes = codes.with_columns(description=text, parent_codes=parents)
    codes.write_parquet("in/metadata/codes.parquet")

    ours = "twinkeep ingest"
    commands = {
        ours: f"{twinkeep} --keep keep ingest {source} --dates-shifted --quiet",
        "MEDS_transforms": "MEDS_transform-pipeline pipeline.yaml",
    }

    def fresh(name):
        shutil.rmtree("out", ignore_errors=True)
        if name == ours:
            shutil.rmtree("keep", ignore_errors=True)
            init = [twinkeep, "init", "keep", "--pack", "ehr", "--key-file", "kek"]
            subprocess.run(init, check=True, stdout=subprocess.DEVNULL)

    cpu, wall = compare(commands, rounds, fresh)
    table("Ingest the MIMIC-IV demo as MEDS", "rows", ROWS, cpu, wall, ours)
