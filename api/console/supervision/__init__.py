"""Supervision: leads, models of the library, recommendations, reports and correlations."""
