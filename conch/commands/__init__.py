"""What a command is about: whom to call, which team to send where."""
