"""Who runs jobs: one worker here, processes on this machine, or a cluster; chosen by name."""
