"""What a session looks at, and the caches it shares; the only writer of session keys."""
