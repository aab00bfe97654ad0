"""Backups: encrypted, each with what is new since the one before; verified and restored without the service.

A backup is a folder or a bucket with chunks, which never change, and generations. A generation is a note that the log's
key has signed; it names a manifest by its digest, and that names every chunk. So nothing can be exchanged, left out or
put back unnoticed. Chunks are named by a keyed digest of their content: what is there already is not written again, by
whatever run that was killed it came there.
"""
