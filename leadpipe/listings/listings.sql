-- A listing over all time.
-- grain: one listing; key: listing_id
-- input: listing_sums, of all listings (all_sums.sql) or of those that changed (changed_sums.sql)
SELECT
    listing_id,
    total_views,
    unique_views,
    logged_in_views,
    total_views - logged_in_views AS anonymous_views,
    views_from_home,
    views_from_explore,
    views_from_search,
    views_from_direct,
    impression_social_media + impression_website_visit + impression_share + impression_saved_listing
        AS total_impressions,
    impression_social_media,
    impression_website_visit,
    impression_share,
    impression_saved_listing,
    share_breakdown,
    total_leads,
    phone_leads,
    message_leads,
    email_leads,
    appointment_leads,
    website_leads,
    json_object(
        'phone', CAST(phone_leads AS BIGINT),
        'whatsapp', CAST(whatsapp_leads AS BIGINT),
        'direct_message', CAST(message_leads - whatsapp_leads AS BIGINT),
        'email', CAST(email_leads AS BIGINT),
        'appointment', CAST(appointment_leads AS BIGINT),
        'website', CAST(website_leads AS BIGINT)
    ) AS leads_breakdown,
    unique_leads,
    total_leads * 100.0 / nullif(total_views, 0) AS conversion_rate,
    total_sales,
    sales_value,
    first_activity_at,
    last_activity_at
FROM listing_sums
ORDER BY listing_id
