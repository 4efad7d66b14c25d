"""What a project sends, whatever its events are called: looked at, mapped, tried, and not left unread unseen.

`profile` is what was seen, `asking` asks PostHog for it. `words` and `suggesting` make a mapping of it,
`written` its text. `trying` says what would come out of one; `unused` remembers which events no table uses.
"""
