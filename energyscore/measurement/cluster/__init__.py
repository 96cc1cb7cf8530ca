"""Entries of a suite that are measured on other machines, and what comes back of them.

order      what is to be measured, as text: it says all that a node must know
visible    which GPUs a process was given, by UUID (pure)
delivery   what an attempt brings back, as one file (pure)
scratch    the folder of one attempt, and what killed ones left
worker     one attempt on a node: the same process as on one machine, in a folder of its own
gather     deliveries -> results, logs and records in the suite's folder; none twice
sbatch     an array job of Slurm, as text (pure)
engine     what runs orders, as the driver sees it
driver     a suite on an engine: what failed is tried again, what comes is taken at once
slurm      jobs of Slurm, by submitit
ray_engine actors of Ray; ray_join: the cluster's address; ray_nodes: what runs on its nodes
node       what a node says of itself
__main__   one element of that job
"""
