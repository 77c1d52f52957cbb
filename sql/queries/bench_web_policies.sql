-- Policies that the made-up entries of the web benchmark were decided by: the standard one under three names.
INSERT INTO limits.policies (policy_hash, pack, effective_on, body, actor)
SELECT sha256(convert_to(body, 'UTF8')), pack, %(day)s::date, body, 'limits bench'
  FROM (SELECT pack, replace(%(body)s, 'pack = "standard"', 'pack = "' || pack || '"') AS body FROM unnest(ARRAY['bench-old', 'bench', 'bench-new']) pack) p
