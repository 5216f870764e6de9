"""What a run did: its progress, the parents that Braze refused, and its report. Makes no decisions."""
