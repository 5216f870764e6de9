"""Previews of a run: explain, dry run and preflight; sends no changes."""
