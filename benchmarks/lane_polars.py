"""The side of polars, run by a Python that has it: `lane_polars.py FILES FOLDER PATHS`, paths as JSON lists.

A file at a time: each path of the mapping taken out of the properties, and the frame inserted into DuckDB.
"""

import json
import sys
from pathlib import Path

import duckdb
import polars as pl  # type: ignore[import-not-found]

files, folder, paths = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
found = [
    pl.col("properties").str.json_path_match(f"$.{'.'.join(path)}").alias(f"c{number}")
    for number, path in enumerate(paths)
]
with duckdb.connect(f"{folder}/polars.duckdb") as connection:
    for number, file in enumerate(sorted(Path(files).iterdir())):
        events = pl.scan_parquet(file).with_columns(*found).collect().to_arrow()
        connection.register("events_of_file", events)
        begin = "INSERT INTO events" if number else "CREATE TABLE events AS"
        connection.execute(f"{begin} FROM events_of_file")
