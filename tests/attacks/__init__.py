"""What strangers try: each file a way in, each test a promise of docs/security.md."""
