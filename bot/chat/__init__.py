"""What a chat platform is, in words: events in, content out, one protocol. No I/O happens here."""
