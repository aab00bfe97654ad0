"""A witness: an agency's own process, which follows a log and co-signs only what it has followed.

source    the log, as its public routes show it
contracts the chain, as a node of the agency's choice shows it
follow    entry by entry up to a checkpoint, and the chain beside it
signing   the two kinds of co-signature, each kept before it is given
alarms    what is told to the operator, and what stops every signature until he has decided
"""
