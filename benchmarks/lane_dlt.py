"""The side of dlt, run by a Python that has it: `lane_dlt.py FILES FOLDER`."""

import os
import sys

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt  # type: ignore[import-not-found]
from dlt.sources.filesystem import filesystem, read_parquet  # type: ignore[import-not-found]

files, folder = sys.argv[1], sys.argv[2]
pipeline = dlt.pipeline(
    "lanes",
    pipelines_dir=f"{folder}/dlt",
    destination=dlt.destinations.duckdb(f"{folder}/dlt.duckdb"),
    dataset_name="posthog",
)
source = filesystem(bucket_url=f"file://{files}", file_glob="*.parquet*")
events = (source | read_parquet(use_pyarrow=True)).with_name("events")
pipeline.run(events, write_disposition="merge", primary_key="uuid", loader_file_format="parquet")
