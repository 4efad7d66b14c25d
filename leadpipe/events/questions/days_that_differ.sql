-- What did PostHog have that we did not, and the other way round?
-- Days whose events were not the same on both sides when they were compared last; none is the normal answer.
-- Equal numbers can differ, too: then other events have taken the place of some.
SELECT event_date, verdict, posthog_events, warehouse_events,
       greatest(posthog_events - warehouse_events, 0) AS more_in_posthog,
       greatest(warehouse_events - posthog_events, 0) AS more_here,
       differs_since, detail
FROM event_days
WHERE verdict = 'differs'
ORDER BY event_date DESC
