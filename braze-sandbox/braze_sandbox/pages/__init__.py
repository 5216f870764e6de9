"""The web page at `/` for people: what the sandbox holds, live, and faults to switch. Programs use /sandbox/*."""
