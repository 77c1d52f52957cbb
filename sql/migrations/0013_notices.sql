-- depends: 0009_policy_inputs 0012_pending_changes
-- How users are told: what waits in the outbox and among the notices becomes one stream of messages,
-- each user's in the order of the decisions. Each is marked once it was handed over, and never unmarked.

SET LOCAL ROLE limits_owner;

-- The text of a notice that is on its way: kept before it is sent, so that after a crash the same
-- text goes out under the same id. delivered_by: the login that marked it as delivered.
ALTER TABLE limits.notices
    ADD COLUMN draft jsonb,
    ADD COLUMN delivered_by text,
    ADD CHECK (delivered_at IS NULL OR draft IS NULL);

-- A clearance of a day to come would let links be that nobody has looked at.
ALTER TABLE limits.fraud_clearances ADD CHECK (cleared_on <= (created_at AT TIME ZONE 'UTC')::date);

-- What waits is looked for by user.
DROP INDEX limits.outbox_undelivered;
CREATE INDEX outbox_waiting ON limits.outbox (user_id, entry_id) WHERE delivered_at IS NULL;
CREATE INDEX notices_waiting ON limits.notices (user_id, entry_id) WHERE delivered_at IS NULL;

-- Decisions that a person has to look at: those with one of reasons.HUMAN_REVIEW. Few of many, so
-- that asking for them does not read the log.
CREATE INDEX adjustment_log_referred ON limits.adjustment_log (user_id, as_of)
    WHERE reason_bits & 48378511638528 <> 0;

-- Keeps the text that a notice is sent with, unless one is kept: the text that stands is returned,
-- none where the notice was delivered meanwhile.
CREATE FUNCTION limits.draft_notice(p_notice bigint, p_body jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_draft jsonb;
BEGIN
    IF p_body IS NULL OR jsonb_typeof(p_body) <> 'object' OR p_body = '{}' OR EXISTS (
        SELECT FROM jsonb_each(p_body) AS said(language, words)
         WHERE jsonb_typeof(words) <> 'string' OR words #>> '{}' !~ '\S') THEN
        RAISE EXCEPTION 'notice % cannot be kept without a text in each language', p_notice
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE limits.notices SET draft = coalesce(draft, p_body)
     WHERE notice_id = p_notice AND delivered_at IS NULL
    RETURNING draft INTO v_draft;
    RETURN v_draft;
END $$;

-- The text was refused by whom it was handed to: the next one is written anew, with its own date.
CREATE FUNCTION limits.drop_draft(p_notice bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    UPDATE limits.notices SET draft = NULL WHERE notice_id = p_notice AND delivered_at IS NULL AND draft IS NOT NULL;
    RETURN FOUND;
END $$;

-- The notice was handed over with the text that was kept for it. True the first time, then false.
CREATE FUNCTION limits.deliver_notice(p_notice bigint, p_to text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF p_to IS NULL OR p_to !~ '\S' THEN
        RAISE EXCEPTION 'notice % cannot be delivered to nobody', p_notice USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE limits.notices
       SET body = draft, draft = NULL, delivered_at = clock_timestamp(), delivered_to = p_to,
           delivered_by = session_user
     WHERE notice_id = p_notice AND delivered_at IS NULL AND draft IS NOT NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM limits.notices WHERE notice_id = p_notice AND delivered_at IS NOT NULL) THEN
        RAISE EXCEPTION 'notice % has no text that could have been delivered', p_notice
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN false;
END $$;

-- The message about a changed limit was handed over. True the first time, then false.
CREATE FUNCTION limits.deliver_outbox(p_outbox bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    UPDATE limits.outbox SET delivered_at = clock_timestamp() WHERE outbox_id = p_outbox AND delivered_at IS NULL;
    RETURN FOUND;
END $$;

-- Each notice beside the decision it is about and what became of it. Whether it is overdue is for
-- the question to say, with its date: due_on < that date and not delivered by then.
CREATE VIEW limits.notice_list AS
SELECT n.notice_id, n.entry_id, n.review_id, n.user_id, n.kind, n.as_of, n.due_on, n.created_at, n.draft, n.body,
       n.delivered_at, n.delivered_to, n.delivered_by, l.currency, c.exponent, l.limit_before_minor,
       l.limit_after_minor, l.proposed_minor, l.reason_bits, l.ceilings_minor, l.policy_hash,
       p.effective_on, p.state AS change_state,
       -- What the decision answers: a request, or a change that had waited for the user or its day.
       coalesce(q.amount_minor, w.proposed_minor) AS asked_minor, coalesce(w.kind, 'request') AS answers,
       w.as_of AS answered_as_of, w.limit_minor AS answered_from_minor
  FROM limits.notices n
  JOIN limits.reviews r ON r.review_id = n.review_id
  JOIN limits.adjustment_log l ON l.as_of = n.as_of AND l.review_id = n.review_id AND l.user_id = n.user_id
  JOIN limits.currencies c ON c.currency = l.currency
  LEFT JOIN limits.pending_changes p ON p.entry_id = n.entry_id
  LEFT JOIN limits.limit_requests q ON q.request_id = r.request_id
  LEFT JOIN limits.pending_changes w ON w.change_id = r.change_id;

REVOKE EXECUTE ON FUNCTION limits.draft_notice, limits.drop_draft, limits.deliver_notice, limits.deliver_outbox
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.draft_notice, limits.drop_draft, limits.deliver_notice, limits.deliver_outbox
    TO limits_worker, limits_operations;
GRANT SELECT ON limits.notice_list TO limits_worker, limits_operations, limits_auditor;
-- For the list of users whom a person has to look at.
GRANT SELECT ON limits.fraud_clearances TO limits_auditor;

RESET ROLE;
