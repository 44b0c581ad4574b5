"""RQ jobs: each says "look now"; what there is to do stands in the database."""
