-- The last sync of each tenant and program.
-- grain: one tenant and program; key: tenant, program_id
-- inputs: interaction_syncs
SELECT * EXCLUDE (place)
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY tenant, program_id ORDER BY synced_at DESC, sync_id
    ) AS place
    FROM interaction_syncs
)
WHERE place = 1
ORDER BY tenant, program_id
