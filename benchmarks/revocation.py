"""How long a revoked token is still accepted: from the question to /revoke, and from its answer, until the refusal."""

import asyncio
import statistics
import time
from typing import Any

from benchmarks.running import Bench
from lib_one import http
from lib_one.nats import NatsConnection
from lib_two.guard import Guard
from lib_two.revocation import RevocationView, State

ROUNDS = 100


async def refusal_latency(bench: Bench, guards: int) -> dict[str, Any]:
    """Revoke tokens one after the other, each known to `guards` guards with a connection each, and time the last."""
    seed = (bench.system.data / "nats" / "app-svc.nk").read_text().strip()
    connections = [NatsConnection(bench.system.nats_url, name="app-svc", nkey_seed=seed) for _ in range(guards)]
    views = [RevocationView() for _ in connections]
    tokens = bench.tokens(ROUNDS)
    from_question, from_answer = [], []
    async with http.client() as client, asyncio.TaskGroup() as following:
        for connection in connections:
            await connection.start()
        tasks = [following.create_task(v.run(c)) for v, c in zip(views, connections, strict=True)]
        guard = Guard(
            issuer=bench.system.issuer,
            audience=bench.system.app_url,
            view=views[0],
            http=client,
            client_id="app-svc",
            client_secret=bench.secret("app-svc"),
        )
        while any(view.state() is not State.FRESH for view in views):
            await asyncio.sleep(0.05)
        for token in tokens:
            claims = (await guard.check(token)).claims
            asked = time.perf_counter()
            headers = {"authorization": bench.client}
            asking = asyncio.create_task(
                client.post(f"{bench.system.issuer}/revoke", data={"token": token}, headers=headers)
            )
            answered = refused = 0.0
            while not (answered and refused):
                if not answered and asking.done():
                    asking.result().raise_for_status()
                    answered = time.perf_counter()
                if not refused and all(view.revoked(claims) for view in views):
                    refused = time.perf_counter()
                await asyncio.sleep(0)
            from_question.append((refused - asked) * 1e3)
            from_answer.append(max(0.0, refused - answered) * 1e3)
        for task in tasks:
            task.cancel()
    for connection in connections:
        await connection.close()
    row = {"guards": guards, "rounds": ROUNDS} | _summary("question", from_question) | _summary("answer", from_answer)
    print(
        f"revocation, {guards} guard{'s' if guards > 1 else ' '}: refused {row['question_p50_ms']:.2f} ms (median) and "
        f"{row['question_p99_ms']:.2f} ms (p99) after the question was sent; "
        f"{row['answer_p50_ms']:.2f} and {row['answer_p99_ms']:.2f} ms after its answer came",
        flush=True,
    )
    return row


def _summary(name: str, values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {f"{name}_p50_ms": round(cuts[49], 3), f"{name}_p99_ms": round(cuts[98], 3)}
