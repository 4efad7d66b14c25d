"""Events: out of PostHog, through one door, into `raw_events`.

`mapping` says what events mean, `planning` which days to read, `extraction` reads them, `exported` reads
files of exports, `staging` types rows, `ingest` is the door, `ledger` and `days` keep what was done,
`loading` plays them together, `assets` shows it to Dagster. What the events mean for leads or listings is
those domains' business.
"""

COMMANDS = {
    "sync": "Load what is new in PostHog, build and publish the tables.",
    "import": "Take files that PostHog exported: Parquet or JSON Lines, of any lane.",
    "runs": "What each run asked for, read, brought and rejected.",
    "source": "Which project fills the warehouse; record that it has another address.",
    "events": "Which events your project sends, and what leadpipe makes of them.",
    "days": "Which days are proved to hold PostHog's events.",
    "lake": "A lake's files and its past: maintain, forget, history, at.",
    "warehouse": "Move the warehouse from a file to a lake, or back.",
    "files": "Exported files in the bucket, and what became of them; take them now.",
    "repair": "Put right what should never be the case: events that are stored twice.",
}
