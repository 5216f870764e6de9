"""From Braze to standard output: the tap, its writer and its `--test`; the SDK's entry points."""
