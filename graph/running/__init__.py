"""Executing a plan: runs, steps, the values between them, and what is reported."""
