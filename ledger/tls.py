"""Whom connections over TLS trust: the authorities of this machine, and those that its operator added."""

from __future__ import annotations

import ssl
from functools import cache

tls_context = cache(ssl.create_default_context)  # loading the certificates takes a while
