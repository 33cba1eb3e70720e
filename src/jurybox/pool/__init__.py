"""Pools that no database holds: texts and features in shards, at any address, on one machine or a cluster.

`encode` turns a source into shards, `rank_pool` plays a round over them. Both take what maps a function over
shards: `here` on one machine, `jurybox.pool.on_ray.Cluster` on a Ray cluster. What is mapped is the same.
"""

from jurybox.pool.encoded import EncodedPool, encode
from jurybox.pool.fronts import Front, Scorer, front_of, merged
from jurybox.pool.ranked import PoolRound, rank_pool
from jurybox.pool.shards import here

__all__ = ["EncodedPool", "Front", "PoolRound", "Scorer", "encode", "front_of", "here", "merged", "rank_pool"]
