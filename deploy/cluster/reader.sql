-- Who may look and not touch, for a person's own shell: psql --dbname lake --file reader.sql, then the same with
-- --dbname state. Locks are advisory: a shell with leadpipe's own role can write past them.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN
        CREATE ROLE reader LOGIN CONNECTION LIMIT 10;
    END IF;
END
$$;
ALTER ROLE reader SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA public TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
