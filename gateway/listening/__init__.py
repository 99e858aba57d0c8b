"""Live audio: from chunks of a microphone to events, one session object for each stream."""
