"""The separation server that DAWs talk to over OSC, and its client."""
