"""What Braze is: its client, rate limits and error texts; nothing of streams or Singer."""
