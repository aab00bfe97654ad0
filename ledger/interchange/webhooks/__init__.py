"""Delivery to agencies' own systems: what an agency may see, signed, in order, each thing at least once.

A webhook gets the pages of its agency's feed and of its warnings, one after the other. A page counts as delivered once
the receiver has answered 2xx; how far a webhook has come is in the database, so that a service that was killed goes on
where it was. What fails is tried again, after longer and longer pauses. Submissions never wait for a delivery.
"""
