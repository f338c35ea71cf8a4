"""Data of classification: data modules, label files, augmentation."""
