"""What stands around every page: banner, gate, sign-in, frame, waiting, guard."""
