-- Who a session belongs to. Where somebody uses it, its idle time begins anew, written once a minute at most.
WITH used AS (
    UPDATE limits_console.sessions SET idle_at = clock_timestamp() + %(idle)s::interval
     WHERE %(renew)s AND session_hash = %(hash)s AND idle_at BETWEEN clock_timestamp() AND clock_timestamp() + %(idle)s::interval - interval '1 minute')
SELECT actor, roles, csrf FROM limits_console.sessions
 WHERE session_hash = %(hash)s AND idle_at > clock_timestamp() AND ends_at > clock_timestamp()
