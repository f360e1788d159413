"""What a search writes into its run folder, and reads back."""
