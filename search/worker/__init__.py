"""Worker groups: the loop over trials, its mailbox, and the processes that come and go."""
