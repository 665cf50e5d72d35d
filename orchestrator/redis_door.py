"""The door to Redis: the one module of this package that imports the client library."""

from __future__ import annotations

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from orchestrator.addresses import without_password
from orchestrator.errors import ServiceError
from orchestrator.settings import starter

Redis = redis.Redis
RedisError = redis.exceptions.RedisError


def lost(error: Exception) -> ServiceError:
    """What to say where a connection that worked is gone."""
    return ServiceError(f"a service has gone away ({error}); {starter()} starts it again")


def connect(url: str, *, decode: bool = True) -> redis.Redis:
    """Connect to the ledger's Redis and check that it keeps what it is told.

    Raises:
        ServiceError: nothing answers there, or the server may evict keys.
    """
    client = redis.Redis.from_url(
        url, decode_responses=decode, retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), 5), health_check_interval=30
    )
    shown = without_password(url)
    try:
        eviction = client.info("memory")["maxmemory_policy"]
    except RedisError as error:
        raise ServiceError(f"Redis does not answer at {shown} ({error}); start it with {starter()}") from error
    if eviction != "noeviction":
        raise ServiceError(f"Redis at {shown} evicts keys ({eviction}); set maxmemory-policy to noeviction")
    return client
