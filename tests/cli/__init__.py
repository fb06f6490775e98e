"""Tests of the commands of `tito`, in small workspaces."""
