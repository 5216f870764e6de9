"""Reports on a run: progress, summary and dead letters; decides nothing."""
