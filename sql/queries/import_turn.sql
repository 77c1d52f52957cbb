-- One at a time imports rows that could meet; the next then finds what the one before let in.
INSERT INTO limits.import_turns (kind, source)
VALUES (%(kind)s, %(source)s)
    ON CONFLICT (kind, source) DO UPDATE SET kind = excluded.kind
