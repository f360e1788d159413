"""Whole searches: on a table of trained configurations, with trials that pause, and under faults."""
