"""What a run would do: explain, dry run and preflight; sends no changes."""
