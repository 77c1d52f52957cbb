-- The server's version as a number, and as people write it.
SELECT current_setting('server_version_num')::integer AS number, current_setting('server_version') AS version
