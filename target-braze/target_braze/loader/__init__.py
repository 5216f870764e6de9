"""The engine without Singer: takes records of named streams, returns outcomes and settled checkpoints; no SDK."""
