"""What routes and console both call: what a reader may see of cases, models and feeds, submissions, audits."""
