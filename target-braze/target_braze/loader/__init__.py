"""The engine without Singer: records of named streams in, outcomes and settled checkpoints out; no SDK, no stdin."""
