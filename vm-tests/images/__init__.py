"""What machines boot: stock images and built ones, as folders and as disks."""
