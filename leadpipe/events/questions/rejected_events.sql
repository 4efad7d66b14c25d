-- Which events could not be used, and why?
-- They are kept in the warehouse with their reason, and count in no other table.
SELECT event, reason, events, first_at, last_at
FROM rejected_events
ORDER BY events DESC, event, reason
