"""The only place that talks SQL: connections, loading, recording, the log, reviews, imports."""
