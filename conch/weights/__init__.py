"""Model weights: the manifest, the download, the content-addressed cache."""
