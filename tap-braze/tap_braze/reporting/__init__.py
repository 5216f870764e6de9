"""What a run did: its progress, and the parents that Braze refused. Makes no decisions."""
