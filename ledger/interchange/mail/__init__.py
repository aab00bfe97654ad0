"""Mail of notices: to each officer what he chose, once an address is confirmed, each thing at least once.

A message counts as sent once the mail server has taken it; how far an officer's mail has come is in the database, so a
service that was killed goes on where it was. A message that is sent again has the id that it had, so that it arrives
once. What fails is tried again, after longer and longer pauses. Submissions never wait for mail.
"""
