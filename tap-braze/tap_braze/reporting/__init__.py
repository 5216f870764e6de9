"""What a run did: its progress, and the parents that Braze refused; decides nothing."""
