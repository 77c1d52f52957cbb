-- What waits for a person on a day: of each kind the first few, whoever waits longest first, beside how many there are.
SELECT * FROM (
    (SELECT 'override' AS what, o.override_id AS number, o.user_id, o.kind AS name, o.reason, o.maker AS by,
            o.proposed_at AS since, o.expires_on AS until, o.amount_minor, o.currency::text AS currency, c.exponent,
            count(*) OVER () AS total
       FROM limits_read.overrides o
       JOIN limits_read.currencies c ON c.currency = o.currency
      WHERE o.state = 'proposed' ORDER BY o.proposed_at, o.override_id LIMIT %(rows)s)
    UNION ALL
    (SELECT 'policy', a.approval_id, NULL, p.pack, a.reason, a.maker, a.proposed_at, p.effective_on, NULL, NULL,
            NULL, count(*) OVER ()
       FROM limits_read.policy_approvals a
       JOIN limits_read.policies p ON p.policy_hash = a.policy_hash
      WHERE a.state = 'proposed' ORDER BY a.proposed_at, a.approval_id LIMIT %(rows)s)
    UNION ALL
    (SELECT 'model', a.approval_id, NULL, m.name, a.reason, a.maker, a.proposed_at, a.effective_on, NULL, NULL,
            NULL, count(*) OVER ()
       FROM limits_read.risk_approvals a
       JOIN limits_read.risk_models m ON m.model_hash = a.model_hash
      WHERE a.state = 'proposed' ORDER BY a.proposed_at, a.approval_id LIMIT %(rows)s)
    UNION ALL
    (SELECT 'review', r.review_id, NULL, coalesce(r.schedule, r.kind), coalesce(e.reason, ''), r.actor,
            coalesce(e.at, r.created_at), r.business_date, NULL, NULL, NULL, count(*) OVER ()
       FROM limits_read.reviews r
       LEFT JOIN LATERAL (SELECT g.at, g.reason FROM limits_read.gate_events g
                           WHERE g.review_id = r.review_id AND g.what = 'held'
                           ORDER BY g.event_id DESC LIMIT 1) e ON true
      WHERE r.state = 'held' ORDER BY r.review_id LIMIT %(rows)s)
    UNION ALL
    (SELECT 'notice', n.notice_id, n.user_id, n.kind, '', '', n.due_on::timestamp AT TIME ZONE 'UTC', n.due_on,
            NULL, NULL, NULL, count(*) OVER ()
       FROM limits.notices n
      WHERE n.delivered_at IS NULL AND n.due_on < %(day)s::date ORDER BY n.due_on, n.notice_id LIMIT %(rows)s)
    UNION ALL
    (SELECT 'offer', p.change_id, p.user_id, p.kind, '', '', p.as_of::timestamp AT TIME ZONE 'UTC', p.effective_on,
            NULL, NULL, NULL, count(*) OVER ()
       FROM limits.pending_changes p
      WHERE p.state = 'open' AND p.kind = 'offer' AND p.effective_on <= %(soon)s::date
      ORDER BY p.effective_on, p.change_id LIMIT %(rows)s)
    UNION ALL
    (SELECT 'announced', p.change_id, p.user_id, p.kind, '', '', p.as_of::timestamp AT TIME ZONE 'UTC', p.effective_on,
            NULL, NULL, NULL, count(*) OVER ()
       FROM limits.pending_changes p
      WHERE p.state = 'open' AND p.kind = 'announced' AND p.effective_on <= %(day)s::date
      ORDER BY p.effective_on, p.change_id LIMIT %(rows)s)
) w
