"""Runs migrations as they were and as migfix rewrites them, on equal data, and compares what they leave."""
