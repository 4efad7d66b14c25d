"""STAND-IN until wt-door13 is merged."""

import json
from leadpipe.events.ingest import ingest, IngestResult
from leadpipe.events.persons import PersonRank
from leadpipe.warehouse import memory
from leadpipe.errors import FileUnreadable


def take_in(warehouse, files, *, run, config, landing, clock, note):
    import duckdb
    total = IngestResult()
    landing.mkdir(parents=True, exist_ok=True)
    page = landing / "page.ndjson"
    with memory() as c:
        for f in files:
            pass
        rel = "read_parquet(%r, union_by_name=true)" % [str(f) for f in files] if ".parquet" in files[0].name else "read_json(%r, format='newline_delimited')" % [str(f) for f in files]
        try:
            rows = c.execute(f"SELECT uuid::VARCHAR, event, timestamp::VARCHAR, created_at::VARCHAR, distinct_id, person_id, properties::VARCHAR FROM {rel} WHERE event IN (SELECT unnest($e::VARCHAR[]))", {"e": list(config.selection.events)}).fetchall()
        except duckdb.Error as e:
            raise FileUnreadable(str(e).splitlines()[0][:80])
    page.write_text("".join(json.dumps(r)+"\n" for r in rows))
    with warehouse.transaction() as connection:
        result = ingest(connection, [page], run_id=run.run_id, now=clock(), rank=PersonRank.INGESTION) if rows else IngestResult()
        note(connection, result)
    page.unlink()
    return result

