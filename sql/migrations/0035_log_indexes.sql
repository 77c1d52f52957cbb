-- depends: 0034_console
-- First pages of the log soon, whatever is asked for (limits.store.log_search, docs/decisions.md).

SET LOCAL ROLE limits_owner;

-- What changes a limit, offers or announces something: few of many entries, and all that is asked of them is in the index,
-- so that looking for a large raise that there is not reads no entry. Holds do not pay for it.
CREATE INDEX adjustment_log_moves ON limits.adjustment_log (entry_id)
    INCLUDE (action, disposition, currency, limit_before_minor, limit_after_minor, proposed_minor, reason_bits)
    WHERE action <> 0 OR disposition <> 0;

-- An entry has actor, policy and date of its review.
CREATE INDEX reviews_actor ON limits.reviews (actor, business_date);
CREATE INDEX reviews_policy ON limits.reviews (policy_hash, business_date);

RESET ROLE;
