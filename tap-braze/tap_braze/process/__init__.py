"""What any process needs: standard streams, signals, a ticker and counted warnings. Nothing of Singer or Braze.

`make sync-shared` copies the modules of this folder to the target, since each plugin installs without the other.
"""
