"""Datasets, fine-tune jobs and models. Knows no chat and no database."""
