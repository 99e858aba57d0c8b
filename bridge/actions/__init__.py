"""What is done about a decision: a team is summoned, somebody is called, a question is asked. Each at most once."""
