"""Is a tuned model better than its base? Answers, measures, gates, a verdict and its picture.

Knows no chat and no database. Asking is done where the caller runs; measuring and drawing load scikit-learn, scipy and
matplotlib and are done by the worker process (:mod:`finetune.evaluation.worker`), never in the bot's own.
"""
