"""The demonstration: four agencies, one case, every step by the command line as its users take it."""
