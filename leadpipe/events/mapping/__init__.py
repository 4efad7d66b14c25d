"""A team's own events: what each of them means to leadpipe, and which property says what.

`model` is what a mapping is, `reading` reads it from `events.toml`. `typing_sql` and `typed` make of it the
SELECT that types events. `versions` keeps which mapping each day was typed and read by, `retyping` types
stored days again after a change.
"""
