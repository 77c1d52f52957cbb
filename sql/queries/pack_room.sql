-- Takes 24 MB of memory and gives them back: from then on the session keeps as much, and does not ask for it anew.
-- Long pieces, since each is copied by a call of its own; a number that the planner does not see, or it would keep
-- the text in its plan.
SELECT octet_length(repeat(repeat(' ', 24000), (SELECT 1000)))
