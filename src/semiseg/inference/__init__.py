"""From a run folder and a scan to labels in the scan's own geometry."""
