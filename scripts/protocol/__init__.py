"""What of ``docs/protocol.md`` is generated: tables out of the types, worked examples out of the code."""
