-- How many take part in the draws, and what was left out?
-- Lists by date, with recharges of the day before that could not be used.
SELECT list.draw_date, list.participants, list.total_entries, list.recharges, list.blacklisted,
       coalesce(sum(rejection.new_recharges), 0)::BIGINT AS not_usable,
       list.unread_days
FROM draw_lists AS list
LEFT JOIN draw_rejections AS rejection USING (draw_date)
GROUP BY ALL
ORDER BY list.draw_date DESC
LIMIT 50
