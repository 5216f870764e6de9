"""What a run did: its summary and its dead letters; decides nothing."""
