"""Prediction of many images by the processes of a cluster."""
