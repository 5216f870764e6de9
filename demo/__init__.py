"""The demo: run `python -m demo.run` in the root of the checkout."""
