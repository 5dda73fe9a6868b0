"""Where weights come from: the Hub, the package index, and what is kept of them on disk."""
