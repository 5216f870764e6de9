"""From changes to requests, outcomes and acknowledged states; nothing of mappings or Singer."""
