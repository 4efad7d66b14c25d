-- Which listings are looked at, and nobody asks?
-- Most viewers first: the price, the pictures or the telephone number may be wrong.
SELECT listing_id, total_views, unique_views, total_impressions, first_activity_at, last_activity_at
FROM listings
WHERE total_leads = 0 AND total_views > 0
ORDER BY unique_views DESC, total_views DESC, listing_id
LIMIT 50
