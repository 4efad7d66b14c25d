"""Events and persons in files that PostHog exported: downloads, a bucket, a folder, or by hand.

`files` says what a file is, `rows` what its rows become, `folding` brings them through the door, `provenance`
asks whose they are; `importing` is for files that a person names. Of a bucket `bucket` reaches the store,
`keys` and `manifests` say what belongs together, `choosing` what to take, `register` what was taken,
`contents` and `person_files` take persons, `proving` compares days; `taking` plays them together.
"""
