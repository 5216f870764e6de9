"""From standard input to standard output: command, target, sinks, reader; the only folder that knows Singer."""
