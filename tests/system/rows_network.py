"""Rows about peers that vanish: network namespaces joined by veth pairs, and routes that swallow
everything, so that no FIN, no RST and no ICMP ever comes."""

import asyncio
import time

from chat import check, join
from namespace import Namespace, link
from rows import row

IDLE_MAX = 60  # seconds until an idle peer that vanished is gone
OWING_MAX = 15  # and one that owes acknowledgements
OUTAGE = 5  # seconds that nobody idle may notice


class Swallowed:
    """While it lasts, whatever this namespace sends to the address is lost without a word."""

    def __init__(self, namespace, address):
        self._namespace, self._route = namespace, ("blackhole", f"{address}/32")

    def __enter__(self):
        self._namespace.ip("route", "add", *self._route)

    def __exit__(self, *_):
        self._namespace.ip("route", "del", *self._route)


async def gone_after(daemon, name, begin):
    await daemon.logged(f'end "{name}"', 70)
    return time.monotonic() - begin


async def outage(namespace, server, member):
    """The server hears nothing of the member for a while; then it goes on."""
    with Swallowed(namespace, server):
        await asyncio.sleep(OUTAGE)
    await asyncio.sleep(20)
    await member.pong()


@row("F22", "a peer vanishes without a FIN; an outage of 5 s", ["root", "ip", "cables"])
async def f22(setting):
    server, other = "10.77.1.1", "10.77.2.1"  # the addresses of home on its two cables
    with Namespace() as home, Namespace() as vanishing, Namespace() as shaky:
        link(home, vanishing, "10.77.1")
        link(home, shaky, "10.77.2")
        with setting.daemon("--listen", "0.0.0.0:0", around=home.enter_command) as daemon:
            await daemon.listening()
            here, there = (server, daemon.address[1]), (other, daemon.address[1])
            idle = [await join(here, f"idle{n}", f"quiet{n}", network=vanishing.pid)
                    for n in range(5)]
            owing = await join(here, "owing", "loud", network=vanishing.pid)
            patient = await join(there, "patient", "calm", network=shaky.pid)
            talker = await join(here, "talker", "loud", network=home.pid)
            await asyncio.gather(*(member.pong() for member in [*idle, owing, patient]))
            await asyncio.sleep(0.5)  # for acknowledgements that are delayed
            with Swallowed(vanishing, server):
                begin = time.monotonic()
                back = asyncio.create_task(outage(shaky, other, patient))
                talker.say("is anybody there?")
                owed = gone_after(daemon, "owing", begin)
                times = await asyncio.gather(
                    owed, *(gone_after(daemon, member.name, begin) for member in idle))
            await back
            left = await talker.find("* owing left")
    check(times[0] <= OWING_MAX + setting.pick(2, 0), f"who owed acknowledgements: {times[0]:.1f} s")
    check(max(times[1:]) <= IDLE_MAX, f"idle: {max(times[1:]):.1f} s")
    return f"gone after {times[0]:.1f} s when it owed acknowledgements, {max(times[1:]):.1f} s " \
           f"when idle ({left[2:]!r}); an outage of {OUTAGE} s cut nobody idle"
