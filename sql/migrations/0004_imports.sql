-- depends: 0003_guards
-- How imports turn text into values and say what is wrong with it.
--
-- Every cast stands behind a strict pattern: a numeric 'NaN' passes amount >= 0, and a
-- failed cast of one row would refuse the whole file. A fault is ARRAY[reason, detail]:
-- a stable code, and a sentence with the offending value; NULL where there is none.
--
-- The planner puts the bodies of these functions in place of the calls, which makes an import
-- ten times faster, as long as each is one expression that is no less stable than declared
-- (format and array_to_string are STABLE) and gets no costly argument that it uses twice.

SET LOCAL ROLE limits_owner;

-- A value as a detail shows it: quoted, at most 60 characters. The reader of the file
-- has refused whatever cannot be printed.
CREATE FUNCTION limits.shown(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '"' || CASE WHEN length(p_text) > 60 THEN left(p_text, 57) || '...' ELSE p_text END || '"'
$$;

-- A positive id; NULL for anything else.
CREATE FUNCTION limits.read_id(p_text text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_text ~ '^[0-9]+$' AND length(p_text) <= 19 THEN
               CASE WHEN p_text::numeric BETWEEN 1 AND 9223372036854775807 THEN p_text::bigint END
           END
$$;

-- A date YYYY-MM-DD that exists, from 1900 to 2199; NULL for anything else.
CREATE FUNCTION limits.read_date(p_text text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_text ~ '^(19|2[01])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' THEN
               CASE WHEN right(p_text, 2)::integer <= extract(day FROM
                             make_date(left(p_text, 4)::integer, substr(p_text, 6, 2)::integer, 1)::timestamp
                             + interval '1 month - 1 day')
                    THEN make_date(left(p_text, 4)::integer, substr(p_text, 6, 2)::integer, right(p_text, 2)::integer)
               END
           END
$$;

-- An instant with its zone, such as 2026-03-31T09:30:00Z or 2026-03-31 17:30:00.250+08:00;
-- microseconds at most. NULL for anything else, also where the zone is left out.
CREATE FUNCTION limits.read_instant(p_text text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_text ~ ('^.{10}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?'
                               '(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)$')
                THEN CASE WHEN limits.read_date(left(p_text, 10)) IS NOT NULL THEN p_text::timestamptz END
           END
$$;

-- Minor units of a decimal amount in major units, exactly; NULL for anything that is not a
-- plain decimal number or has more decimals than the currency. A numeric of digits alone,
-- still of any size: compare it with the bounds before casting it to bigint.
CREATE FUNCTION limits.read_minor(p_text text, p_exponent integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_text ~ '^-?[0-9]+(\.[0-9]+)?$' AND length(p_text) <= 200 THEN
               CASE WHEN length(split_part(p_text, '.', 2)) <= p_exponent
                    THEN rpad(replace(p_text, '.', ''),
                              length(replace(p_text, '.', '')) + p_exponent - length(split_part(p_text, '.', 2)),
                              '0')::numeric
               END
           END
$$;

-- What identifies a row's content: sha256 of its values joined by a character that no
-- field can hold.
CREATE FUNCTION limits.row_digest(VARIADIC p_values text[]) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(array_to_string(p_values, E'\x1f', ''), 'UTF8'))
$$;

-- Faults -------------------------------------------------------------------------------

CREATE FUNCTION limits.missing_fault(p_names text[], p_values text[]) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN array_position(p_values, '') IS NOT NULL
                THEN ARRAY['missing_field', format('%s is empty', p_names[array_position(p_values, '')])]
           END
$$;

CREATE FUNCTION limits.id_fault(p_text text, p_id bigint) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_id IS NULL
                THEN ARRAY['not_a_number', format('user_id %s is not a number from 1 to 9223372036854775807',
                                                  limits.shown(p_text))]
           END
$$;

CREATE FUNCTION limits.choice_fault(p_name text, p_text text, p_reason text, p_choices text[]) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_text <> ALL (p_choices)
                THEN ARRAY[p_reason, format('%s %s is none of %s', p_name, limits.shown(p_text),
                                            array_to_string(array_remove(p_choices, ''), ', '))]
           END
$$;

CREATE FUNCTION limits.currency_fault(p_text text, p_exponent integer) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_exponent IS NULL
                THEN ARRAY['unknown_currency', format('currency %s is not a currency that is dealt in',
                                                      limits.shown(p_text))]
           END
$$;

-- p_minor: what read_minor makes of the text. p_lowest: 1 where the amount must be positive,
-- 0 where it must not be negative, NULL for any sign.
CREATE FUNCTION limits.amount_fault(p_name text, p_text text, p_exponent integer, p_minor numeric, p_lowest integer,
                                    p_largest bigint) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_minor BETWEEN coalesce(p_lowest, -p_largest) AND p_largest THEN NULL
        WHEN p_text !~ '^-?[0-9]+(\.[0-9]+)?$' THEN
            ARRAY['not_a_number', format('%s %s is not a decimal number', p_name, limits.shown(p_text))]
        WHEN p_minor IS NULL THEN
            ARRAY['too_many_decimals', format('%s %s has more than the %s decimals of its currency', p_name,
                                              limits.shown(p_text), p_exponent)]
        WHEN p_minor < p_lowest AND p_lowest = 1 THEN
            ARRAY['amount_not_positive', format('%s %s is not above zero', p_name, limits.shown(p_text))]
        WHEN p_minor < p_lowest THEN
            ARRAY['amount_negative', format('%s %s is below zero', p_name, limits.shown(p_text))]
        ELSE
            ARRAY['amount_too_large', format('%s %s is larger than %s minor units', p_name, limits.shown(p_text),
                                             p_largest)]
    END
$$;

-- A count that nobody exceeds honestly; also guards the cast to integer.
CREATE FUNCTION limits.count_fault(p_name text, p_text text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_text !~ '^[0-9]+$' THEN
            ARRAY['not_a_number', format('%s %s is not a whole number', p_name, limits.shown(p_text))]
        WHEN p_text !~ '^0*[0-9]{1,4}$' THEN
            ARRAY['number_too_large', format('%s %s is larger than 9999', p_name, limits.shown(p_text))]
    END
$$;

-- Of a day in the user's life: not after today, not before the account (NULL: any time before).
CREATE FUNCTION limits.day_fault(p_name text, p_text text, p_day date, p_opened_on date, p_today date) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_day > p_today THEN
            ARRAY['in_future', format('%s %s is after today, %s', p_name, limits.shown(p_text),
                                      to_char(p_today, 'YYYY-MM-DD'))]
        WHEN p_day < p_opened_on THEN
            ARRAY['before_account', format('%s %s is before the account was opened, %s', p_name, limits.shown(p_text),
                                           to_char(p_opened_on, 'YYYY-MM-DD'))]
    END
$$;

-- p_day: what read_date makes of the text. An empty field is no fault here.
CREATE FUNCTION limits.date_fault(p_name text, p_text text, p_day date, p_opened_on date, p_today date) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_day IS NOT NULL THEN limits.day_fault(p_name, p_text, p_day, p_opened_on, p_today)
        WHEN p_text <> '' THEN
            ARRAY['not_a_date', format('%s %s is not a date written YYYY-MM-DD', p_name, limits.shown(p_text))]
    END
$$;

-- Whether the user is there (p_found) and deals in the currency of the row.
CREATE FUNCTION limits.user_fault(p_user text, p_currency text, p_found bigint, p_user_currency text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_found IS NULL THEN
            ARRAY['unknown_user', format('there is no user %s', limits.shown(p_user))]
        WHEN p_currency <> p_user_currency THEN
            ARRAY['wrong_currency', format('currency %s is not %s, the currency of user %s', limits.shown(p_currency),
                                           p_user_currency, p_found)]
    END
$$;

-- p_line: where the id stands first in this file; NULL where it was imported before.
CREATE FUNCTION limits.duplicate_fault(p_id text, p_line bigint) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ARRAY['duplicate_id_other_content',
                 CASE WHEN p_line IS NULL THEN format('%s was imported before with other content', p_id)
                      ELSE format('%s stands in line %s with other content', p_id, p_line) END]
$$;

-- `limits quarantine list` shows the newest import first, its rows by line.
CREATE INDEX quarantine_newest ON limits.quarantine (import_id DESC, line);

REVOKE EXECUTE ON FUNCTION limits.shown, limits.read_id, limits.read_date, limits.read_instant, limits.read_minor,
    limits.row_digest, limits.missing_fault, limits.id_fault, limits.choice_fault, limits.currency_fault,
    limits.amount_fault, limits.count_fault, limits.day_fault, limits.date_fault, limits.user_fault,
    limits.duplicate_fault FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.shown, limits.read_id, limits.read_date, limits.read_instant, limits.read_minor,
    limits.row_digest, limits.missing_fault, limits.id_fault, limits.choice_fault, limits.currency_fault,
    limits.amount_fault, limits.count_fault, limits.day_fault, limits.date_fault, limits.user_fault,
    limits.duplicate_fault TO limits_operations;

RESET ROLE;
