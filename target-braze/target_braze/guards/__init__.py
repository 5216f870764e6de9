"""Guards: what Braze knows is read before or while a run writes, so that the run cannot undo it; writes nothing."""
