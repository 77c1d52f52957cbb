-- The lines of the file on their way in, as text.
COPY pg_temp.import_stage FROM STDIN
