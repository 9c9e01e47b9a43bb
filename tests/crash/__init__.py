"""The bot is killed; the world outside of it (platform, provider, people) never is."""
