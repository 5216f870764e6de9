"""A local stand-in for Braze's REST API: `braze-sandbox serve`, or `braze_sandbox.testing.Sandbox` in tests."""
