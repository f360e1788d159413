"""What the charts show, for web and print alike: data, colours and limits."""
