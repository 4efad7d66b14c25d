"""Random walks: whatever happens in PostHog, in whatever order, the warehouse ends as what PostHog shows.

`steps` are what can happen, `making` makes a walk of them from a seed, `walking` lets it happen, `truth`
compares what came out, `shortening` finds the few steps that a failure needs.
`python -m leadpipe_tests.events.walks` walks many; `test_walks.py` a few.
"""
