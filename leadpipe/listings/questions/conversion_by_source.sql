-- How many views become leads, by where the views come from?
-- A lead does not say where its view came from, so listings are told apart by where most of their views do; those
-- without a view are left out.
WITH sources AS (
    SELECT total_views, total_leads,
           CASE greatest(views_from_home, views_from_explore, views_from_search, views_from_direct)
               WHEN 0 THEN 'other'
               WHEN views_from_search THEN 'search'
               WHEN views_from_explore THEN 'explore'
               WHEN views_from_home THEN 'home'
               ELSE 'direct' END AS mostly_from
    FROM listings
    WHERE total_views > 0
)
SELECT mostly_from, count(*) AS listings, sum(total_views)::BIGINT AS views,
       sum(total_leads)::BIGINT AS leads,
       round(sum(total_leads) * 100.0 / nullif(sum(total_views), 0), 2) AS conversion_rate
FROM sources
GROUP BY mostly_from
ORDER BY views DESC, mostly_from
