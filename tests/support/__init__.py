"""What several tests share: simulated runs, small studies and networks, references, processes that are killed."""
