"""What must hold after everything that a test does to a database, counted by the database itself.

I1  opening limit + sum of logged changes = current limit; version = number of logged changes
I2  one decision per (review, user); decided + quarantined + skipped = users of the plan, once a review is done
I3  a limit changed <=> a row of the log says so <=> a message is in the outbox
I4  the log holds together (tests/chain.py)
I5  no raise above any ceiling, now or later
Of what is archived (limits.log_begins: the first day that is not) the sums count, and entries are asked for elsewhere.
and what waits: one decision for each offered or announced change, one open change for each user at most

What the product reconciles (limits.store.reconciling) is asked of the product: that changes follow one another, that
batches, shards and reviews say what the log says. I1 and I3 are asked once more in words of our own: they are what all
the rest stands on, and whoever breaks the product's own functions finds somebody here who did not read them.
"""

from __future__ import annotations

from limits.store import reconciling
from limits.store.db import Connection
from tests import chain

#: Each query gives one row for every breach, with enough in it to find the culprit.
BREACHES = {
    "I1: the log does not add up to the limit": """
        SELECT c.user_id, c.opening_limit_minor, c.limit_minor, c.version, l.delta, l.changes
          FROM limits.credit_lines c
          LEFT JOIN LATERAL (SELECT coalesce(sum(limit_after_minor - limit_before_minor), 0) AS delta,
                                    count(*) FILTER (WHERE action <> 0) AS changes
                               FROM limits.adjustment_log WHERE user_id = c.user_id AND role = 'champion') l ON true
          LEFT JOIN LATERAL (SELECT coalesce(sum(delta_minor), 0) AS delta, coalesce(sum(changes), 0) AS changes
                               FROM limits.archived_lines WHERE user_id = c.user_id) a ON true
         WHERE c.opening_limit_minor + a.delta + l.delta <> c.limit_minor OR a.changes + l.changes <> c.version""",
    "I1: what is kept of archived users is not what their months came to": """
        SELECT m.month, m.changes, m.delta_minor, sum(a.changes), sum(a.delta_minor)
          FROM limits.archived_months m LEFT JOIN limits.archived_lines a USING (month)
         GROUP BY m.month
        HAVING m.changes <> coalesce(sum(a.changes), 0) OR m.delta_minor <> coalesce(sum(a.delta_minor), 0)""",
    "I2: more than one decision of a review about a user": """
        SELECT review_id, user_id, count(*)
          FROM limits.adjustment_log GROUP BY review_id, user_id HAVING count(*) > 1""",
    "I2: both a decision and an exception": """
        SELECT review_id, user_id
          FROM limits.adjustment_log JOIN limits.review_exceptions USING (review_id, user_id)""",
    "I2: a finished review does not account for its users": """
        SELECT r.review_id, r.users_total, l.decided, x.aside
          FROM limits.reviews r,
               LATERAL (SELECT count(*) AS decided FROM limits.adjustment_log WHERE review_id = r.review_id) l,
               LATERAL (SELECT count(*) AS aside FROM limits.review_exceptions WHERE review_id = r.review_id) x
         WHERE r.state = 'done' AND (r.business_date >= limits.log_begins() AND l.decided + x.aside <> r.users_total
            OR r.users_raised + r.users_held + r.users_lowered + r.users_quarantined + r.users_skipped
               IS DISTINCT FROM r.users_total)""",
    "I2: a user of the plan has neither decision nor exception": """
        SELECT r.review_id, u.user_id
          FROM limits.reviews r JOIN limits.shards s USING (review_id) CROSS JOIN LATERAL unnest(s.user_ids) u(user_id)
         WHERE r.state = 'done' AND r.business_date >= limits.log_begins()
           AND NOT EXISTS (SELECT FROM limits.adjustment_log l
                            WHERE l.review_id = r.review_id AND l.user_id = u.user_id)
           AND NOT EXISTS (SELECT FROM limits.review_exceptions x
                            WHERE x.review_id = r.review_id AND x.user_id = u.user_id)""",
    "I2: a finished review with a shard that is not": """
        SELECT r.review_id, s.shard, s.state FROM limits.reviews r JOIN limits.shards s USING (review_id)
         WHERE r.state = 'done' AND s.state <> 'done'""",
    "I3: a change without a message, or a message without a change": """
        SELECT l.entry_id, o.outbox_id
          FROM (SELECT * FROM limits.adjustment_log WHERE action <> 0) l
          FULL JOIN (SELECT * FROM limits.outbox WHERE as_of >= limits.log_begins()) o USING (entry_id)
         WHERE l.entry_id IS NULL OR o.entry_id IS NULL OR l.user_id <> o.user_id OR l.review_id <> o.review_id
            OR o.kind <> CASE WHEN l.action > 0 THEN 'limit_raised' ELSE 'limit_lowered' END""",
    "I5: a raise above a ceiling": """
        SELECT entry_id, limit_after_minor, ceilings_minor FROM limits.adjustment_log l
         WHERE action > 0 AND (limit_after_minor > lowest_ceiling_minor
            OR EXISTS (SELECT FROM unnest(l.ceilings_minor) c WHERE c < l.limit_after_minor))""",
    "I5: offered or announced above a ceiling": """
        SELECT entry_id, proposed_minor, ceilings_minor FROM limits.adjustment_log l
         WHERE proposed_minor > limit_before_minor AND (proposed_minor > lowest_ceiling_minor
            OR EXISTS (SELECT FROM unnest(l.ceilings_minor) c WHERE c < l.proposed_minor))""",
    "waiting: a decision that waits without its change, or a change without its decision": """
        SELECT l.entry_id, p.change_id
          FROM (SELECT * FROM limits.adjustment_log WHERE disposition <> 0) l
          FULL JOIN (SELECT * FROM limits.pending_changes WHERE as_of >= limits.log_begins()) p USING (entry_id)
         WHERE l.entry_id IS NULL OR p.change_id IS NULL OR l.user_id <> p.user_id OR l.review_id <> p.review_id
            OR l.as_of <> p.as_of OR l.proposed_minor <> p.proposed_minor OR l.limit_before_minor <> p.limit_minor
            OR p.kind <> CASE l.disposition WHEN 1 THEN 'offer' ELSE 'announced' END OR l.action <> 0""",
    "waiting: more than one open change of a user": """
        SELECT user_id, count(*) FROM limits.pending_changes WHERE state = 'open'
         GROUP BY user_id HAVING count(*) > 1""",
    "waiting: a raise of who took back the consent": """
        SELECT p.change_id FROM limits.pending_changes p
         WHERE p.state = 'open' AND p.proposed_minor > p.limit_minor
           AND 'withdrawn' = (SELECT c.state FROM limits.consents c
                               WHERE c.user_id = p.user_id AND c.subject = 'raises' AND c.effective_on <= current_date
                               ORDER BY c.effective_on DESC, c.ingested_at DESC, c.state = 'withdrawn' DESC LIMIT 1)""",
    "waiting: applied by a decision that is not there or does not carry it out": """
        SELECT p.change_id, p.applied_review_id, l.limit_after_minor
          FROM limits.pending_changes p
          LEFT JOIN limits.reviews r ON r.review_id = p.applied_review_id AND r.change_id = p.change_id
          LEFT JOIN limits.adjustment_log l ON l.review_id = r.review_id AND l.user_id = p.user_id
         WHERE p.state = 'applied' AND (r.business_date < limits.log_begins()) IS NOT TRUE
           AND (l.entry_id IS NULL OR l.action <> sign(p.proposed_minor - p.limit_minor)
             OR l.action > 0 AND l.limit_after_minor > p.proposed_minor)""",
    "waiting: a review that carries out a change which is open, or which another applied": """
        SELECT r.review_id, p.change_id, p.state FROM limits.reviews r JOIN limits.pending_changes p USING (change_id)
         WHERE p.state NOT IN ('applied', 'suppressed')
            OR p.state = 'applied' AND p.applied_review_id <> r.review_id""",
    "requests: one without its answer, or an answer that its decision does not give": """
        SELECT q.request_id, q.answer, l.limit_after_minor
          FROM limits.limit_requests q
          LEFT JOIN limits.reviews r ON r.review_id = q.review_id AND r.request_id = q.request_id
          LEFT JOIN limits.adjustment_log l ON l.review_id = r.review_id AND l.user_id = q.user_id
         WHERE (r.business_date < limits.log_begins()) IS NOT TRUE
           AND (l.entry_id IS NULL OR l.limit_after_minor > greatest(q.amount_minor, l.limit_before_minor)
             OR q.answer <> CASE WHEN l.limit_after_minor >= q.amount_minor THEN 'granted'
                                 WHEN l.action > 0 THEN 'partly_granted' ELSE 'refused' END)""",
    "notices: of another decision, or a cut or a waiting change that nobody is told of": """
        SELECT l.entry_id, n.notice_id, n.kind
          FROM limits.adjustment_log l
          FULL JOIN (SELECT * FROM limits.notices WHERE as_of >= limits.log_begins()) n USING (entry_id)
         WHERE l.entry_id IS NULL OR l.user_id <> n.user_id OR l.review_id <> n.review_id
            OR n.kind IS DISTINCT FROM CASE l.disposition WHEN 1 THEN 'offered' WHEN 2 THEN 'announced'
                                       ELSE CASE WHEN l.action < 0 THEN 'lowered' ELSE n.kind END END""",
    "notices: an announced change that a decision ended unheard, or one told to be off that is not": """
        SELECT p.change_id, p.state, n.notice_id, n.kind
          FROM (SELECT p.*, r.review_id AS ending FROM limits.pending_changes p JOIN limits.reviews r USING (change_id)
                 WHERE p.kind = 'announced') p
          FULL JOIN limits.notices n ON n.review_id = p.ending
         WHERE n.kind = 'withdrawn' AND (p.state IS DISTINCT FROM 'suppressed' OR n.due_on <> n.as_of)
            OR p.state = 'suppressed' AND n.kind IS NULL
               AND (p.proposed_minor < p.limit_minor OR NOT EXISTS (
                   SELECT FROM limits.consents c WHERE c.user_id = p.user_id AND c.subject = 'raises'
                      AND c.state = 'withdrawn'))
            OR p.state = 'suppressed' AND n.kind = 'refused'""",
    "I1: the limit before a cut is not that of the newest cut": """
        SELECT c.user_id, c.limit_before_cut_minor, l.limit_before_minor, a.before_cut_minor
          FROM limits.credit_lines c
          LEFT JOIN LATERAL (SELECT limit_before_minor FROM limits.adjustment_log
                              WHERE user_id = c.user_id AND action < 0 ORDER BY version_after DESC LIMIT 1) l ON true
          LEFT JOIN LATERAL (SELECT before_cut_minor FROM limits.archived_lines
                              WHERE user_id = c.user_id AND last_cut_on IS NOT NULL
                              ORDER BY month DESC LIMIT 1) a ON true
         WHERE c.limit_before_cut_minor IS DISTINCT FROM coalesce(l.limit_before_minor, a.before_cut_minor)""",
    "decided, not applied, and the review is done": """
        SELECT p.review_id, p.shard, p.part FROM limits.shard_parts p JOIN limits.reviews r USING (review_id)
         WHERE r.state = 'done'""",
}


def check(conn: Connection) -> None:
    """Fails with the rows of every breach."""
    found = {}
    for name, statement in BREACHES.items():
        rows = conn.execute(statement.encode()).fetchmany(5)
        if rows:
            found[name] = rows
    if broken := chain.breaches(conn):
        found["I4"] = broken[:5]
    reconciled = reconciling.of_everything(conn)
    if not reconciled.ok:
        found["it does not add up"] = [one.words for one in reconciled.named]
    assert not found, found
