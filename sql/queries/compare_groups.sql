-- Champion beside challengers: decisions by what either did, what limits come to, and who missed a payment later.
--
-- Of an offered or announced change the champion's limit is the one offered or announced, as
-- the challenger's is. Later: minimums due after the date of the decision and before today. A
-- minimum is missed when what was repaid from the statement's day to the due date is less.
WITH pairs AS (
    SELECT c.review_id, c.as_of, c.user_id, c.policy_hash, c.currency, c.limit_before_minor AS before,
           coalesce(l.proposed_minor, l.limit_after_minor) AS champion_after, c.limit_after_minor AS challenger_after
      FROM limits.challenger_log c
      JOIN limits.adjustment_log l ON l.as_of = c.as_of AND l.review_id = c.review_id AND l.user_id = c.user_id
     WHERE c.review_id = ANY (%(review_ids)s::bigint[])
), decided AS (
    SELECT DISTINCT review_id, as_of, user_id FROM pairs
), judged AS (
    SELECT s.user_id, s.due_on,
           coalesce((SELECT sum(r.amount_minor) FROM limits.repayments r
                      WHERE r.user_id = s.user_id AND r.paid_on BETWEEN s.statement_on AND s.due_on), 0)
               < s.minimum_due_minor AS missed
      FROM limits.statements s
     WHERE s.user_id IN (SELECT user_id FROM decided)
       AND s.due_on > (SELECT min(as_of) FROM decided) AND s.due_on < %(today)s
), later AS (
    SELECT d.review_id, d.user_id, bool_or(j.missed) AS missed
      FROM decided d JOIN judged j ON j.user_id = d.user_id AND j.due_on > d.as_of
     GROUP BY d.review_id, d.user_id
)
SELECT p.policy_hash, k.pack, k.effective_on, p.currency, x.exponent,
       sign(p.champion_after - p.before)::int AS champion, sign(p.challenger_after - p.before)::int AS challenger,
       count(*) AS decisions, sum(p.before)::bigint AS before_minor,
       sum(p.champion_after)::bigint AS champion_after_minor, sum(p.challenger_after)::bigint AS challenger_after_minor,
       count(n.user_id) AS with_statement, count(*) FILTER (WHERE n.missed) AS missed
  FROM pairs p
  JOIN limits.policies k ON k.policy_hash = p.policy_hash
  JOIN limits.currencies x ON x.currency = p.currency
  LEFT JOIN later n ON n.review_id = p.review_id AND n.user_id = p.user_id
 GROUP BY p.policy_hash, k.pack, k.effective_on, p.currency, x.exponent, champion, challenger
 ORDER BY k.pack, k.effective_on, p.policy_hash, p.currency, champion DESC, challenger DESC
