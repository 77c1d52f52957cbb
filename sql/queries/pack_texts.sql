-- The numbers of some texts, those that are new included.
SELECT content, code FROM limits.pack_texts(%(texts)s)
