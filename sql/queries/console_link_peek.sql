-- Whom a link would sign in, where it still can.
SELECT actor, roles FROM limits_console.links
 WHERE link_hash = %(hash)s AND used_at IS NULL AND ends_at > clock_timestamp()
