"""Braze's REST API played on localhost: `braze-sandbox serve`, or `braze_sandbox.testing.Sandbox` in tests."""
