"""What the operating system gives a process: standard streams and signals. Nothing of Singer or Braze."""
