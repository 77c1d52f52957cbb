-- Roles and the schema they share.

-- Roles are of the whole server, so another database of it may have made them already.
DO $do$
DECLARE r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['limits_owner', 'limits_worker', 'limits_operations', 'limits_auditor'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', r);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;   -- made by another database, or by another process just now
        END;
    END LOOP;
END $do$;
-- Whoever migrates may act as any of them; production grants each login only its own.
GRANT limits_owner, limits_worker, limits_operations, limits_auditor TO CURRENT_USER;

-- Everything belongs to limits_owner, which cannot log in: a SECURITY DEFINER function
-- then runs with its rights and not with those of whoever happened to migrate.
CREATE SCHEMA limits AUTHORIZATION limits_owner;
