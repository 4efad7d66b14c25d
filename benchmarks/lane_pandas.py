"""The side of pandas: `lane_pandas.py FILES FOLDER PATHS`, paths as JSON lists.

A file at a time: the properties of each row are parsed once, each path of the mapping taken out of them, and
the frame inserted into DuckDB.
"""

import json
import sys
from pathlib import Path

import duckdb
import pandas as pd

files, folder, paths = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


def _text_at(properties: object, path: list[str]) -> str | None:
    for name in path:
        properties = properties.get(name) if isinstance(properties, dict) else None
    if properties is None or isinstance(properties, str):
        return properties
    return json.dumps(properties)


with duckdb.connect(f"{folder}/pandas.duckdb") as connection:
    for file_number, file in enumerate(sorted(Path(files).iterdir())):
        frame = pd.read_parquet(file)
        parsed = [json.loads(text) for text in frame["properties"]]
        for number, path in enumerate(paths):
            frame[f"c{number}"] = pd.Series([_text_at(each, path) for each in parsed], dtype=object)
        begin = "INSERT INTO events" if file_number else "CREATE TABLE events AS"
        connection.execute(f"{begin} FROM frame")
