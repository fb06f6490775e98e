"""The commands of `tito`, one file each."""
