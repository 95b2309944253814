"""Files of data sets, on disks and in buckets: what there is below a source, and the reading of a part of one."""
