"""Trust: who is reliable, which labels are wrong, how good the whole is, and when to stop."""
