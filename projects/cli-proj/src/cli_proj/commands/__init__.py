"""The commands, one file a noun. A command reads its arguments, calls, and prints; what it calls lies beside."""
