"""A team's own events: what each of them means to leadpipe, and which property says what.

`model` is what a mapping is; `reading`, `sources` and `mistakes` read it from `events.toml`. `typing_sql` and
`typed` make of it the SELECT that types events, `meant` says by it what events mean that are in no table,
`meant_hogql` asks PostHog for those that mean one thing. `versions` keeps which mapping each day was typed
and read by, `retyping` types stored days again after a change.
"""
