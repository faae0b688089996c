"""What is asked of the models: to judge a call, to rewrite a prompt."""
