"""Object storages: folders, and buckets that speak S3, which settings name."""
