"""The console: the pages on which people review and decide. Server-rendered, over the same core as the API."""
