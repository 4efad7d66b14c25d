"""What a project sends, whatever its events are called: looked at, mapped, tried, and not left unread unseen.

`profile` is what was seen, `asking` asks PostHog for it. `words`, `listing_ids` and `suggesting` make an
`advice` of it, `written` its text. `trying` says what would come out of a mapping; `unused` remembers which
events no table uses, `findings` and `commands` tell.
"""
