"""The laboratory: data sets, features, training, evaluation, export and reports."""
