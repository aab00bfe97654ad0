"""The demonstration: agencies of the samples' town, one case, and every proof checked by the command line."""
