"""One load in several processes: one parent reads, deals records by user and reports; children map and deliver them."""
