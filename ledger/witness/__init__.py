"""A witness: an agency's own process, which follows a log and co-signs only what it has followed.

source     the log, as its public routes show it
contracts  the chain, as a node of the agency's choice shows it
follow     entry by entry up to a checkpoint, with the registry compared with the chain
cosigning  the kinds of co-signature, each stored before it is handed out
mirror     the copy of the log that a mirror serves, and the signature for that
status     alarms for the operator, some of which stop every signature until he decides
watch      looks at log and chain again and again
gathering  the log's side: how the service collects co-signatures
"""
