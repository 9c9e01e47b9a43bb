"""What is known of each provider, as data: one file a provider, unknown keys refused."""

from finetune.providers.profiles.profile import Deployment, Parameter, Profile, names, profile

__all__ = ["Deployment", "Parameter", "Profile", "names", "profile"]
