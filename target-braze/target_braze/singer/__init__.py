"""Singer's side, from stdin to stdout: command line, target, sinks, reader; the only folder that knows Singer."""
