"""The timeline of a case, as people read it: each event in a sentence, and how it stood between events.

``case_history`` has the events one after the other and the chain of custody of the case, of one item or of one person,
``sentences`` the words, ``anchored_sizes`` what the chain proves of their time. Nothing here is proof: that is what
bundles are for.
"""
