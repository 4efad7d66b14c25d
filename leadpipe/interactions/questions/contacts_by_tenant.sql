-- How many staff contacts came into each tenant's leads file, and how many did not?
-- Over all syncs; a contact without its lead counts again with every sync that meets it.
SELECT tenant, program_id, count(*) AS syncs, sum(added)::BIGINT AS added,
       arg_max(unmatched, synced_at) AS without_a_lead_last_time,
       arg_max(rejected, synced_at) AS rejected_last_time,
       max(synced_at) AS last_at
FROM interaction_syncs
GROUP BY tenant, program_id
ORDER BY tenant, program_id
