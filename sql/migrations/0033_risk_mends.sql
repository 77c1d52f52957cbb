-- depends: 0032_entry_risk
-- A model is kept under the name and the horizon that its own text says: under others it could not be proposed as it is
-- any more, because a text is kept once.

SET LOCAL ROLE limits_owner;

CREATE FUNCTION limits.check_risk_model_text() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_said json;
BEGIN
    BEGIN
        v_said := NEW.body::json;
    EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
        RAISE EXCEPTION 'the text of a model must be JSON' USING ERRCODE = 'LM011';
    END;
    IF (v_said ->> 'name', v_said ->> 'horizon_months') IS DISTINCT FROM (NEW.name, NEW.horizon_months::text) THEN
        RAISE EXCEPTION 'the model calls itself %, % months ahead, and not %, % months ahead', v_said ->> 'name',
            v_said ->> 'horizon_months', NEW.name, NEW.horizon_months USING ERRCODE = 'LM011';
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION limits.check_risk_model_text FROM PUBLIC;
CREATE TRIGGER named_as_it_says BEFORE INSERT ON limits.risk_models
    FOR EACH ROW EXECUTE FUNCTION limits.check_risk_model_text();
ALTER TABLE limits.risk_models ENABLE ALWAYS TRIGGER named_as_it_says;

RESET ROLE;
