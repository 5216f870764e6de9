"""The web UI at `/` for people: live sandbox contents and faults to toggle. Programs use /sandbox/*."""
