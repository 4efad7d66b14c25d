"""Events and persons in files that PostHog exported: from a bucket, a folder, or by hand.

`rows` and `folding` bring a file through the door; `bucket` reaches the store, `keys` reads names,
`choosing` says what to take, `register` keeps what was taken, `taking` plays them together.
"""
