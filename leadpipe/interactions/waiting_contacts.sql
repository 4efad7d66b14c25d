-- Which tenants and programs have which staff contacts, to see when there are others.
-- grain: one tenant and program; key: tenant, program_id
-- inputs: raw_events
-- fingerprint changes with the events, and in no other way while DuckDB is the same
SELECT
    coalesce(mapped_properties, properties) ->> '$.tenant' AS tenant,
    coalesce(mapped_properties, properties) ->> '$.programId' AS program_id,
    concat(count(*), ' ', bit_xor(hash(uuid))) AS fingerprint
FROM raw_events
WHERE meaning = 'staff_contact' AND json_valid(properties)
GROUP BY ALL
HAVING tenant IS NOT NULL AND program_id IS NOT NULL
