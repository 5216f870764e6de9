"""What Braze is: client, connections, rate limits, cursors, error texts. Nothing of streams or Singer.

`make sync-shared` copies the modules of this folder to the target, since each plugin installs without the other.
"""
