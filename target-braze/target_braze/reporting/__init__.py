"""Reports on a run: progress, summary, dead letters and the run report; decides nothing."""
