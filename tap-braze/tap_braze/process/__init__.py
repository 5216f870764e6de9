"""What the operating system gives a process: standard streams and signals. Nothing of Singer or Braze.

`make sync-shared` copies the modules of this folder to the target, since each plugin installs without the other.
"""
