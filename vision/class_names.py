"""Names of published data sets' classes, in the order of their ids."""

VOC_CLASS_NAMES = ("background",)
