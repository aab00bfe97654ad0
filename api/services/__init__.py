"""What routes and console both call: views of cases, models and feeds, submissions, audits."""
