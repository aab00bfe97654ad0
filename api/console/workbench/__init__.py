"""The workbench on which a model is written and tried."""
