-- Policies that the made-up entries of the web benchmark were decided by: one text in three versions.
INSERT INTO limits.policies (policy_hash, pack, effective_on, body, actor)
SELECT sha256(convert_to(body, 'UTF8')), pack, %(day)s::date, body, 'limits bench'
  FROM (SELECT pack, %(body)s || '# ' || pack AS body FROM unnest(ARRAY['bench-old', 'bench', 'bench-new']) pack) p
