//! Looking after peers: those who are gone without a word, leave what they were sent in the kernel, or do
//! not finish what their TLS has begun are ended. When that is so, `watch` and `tls` find; how a session
//! ends is the hub's. A function over the turn and its sockets.

use std::time::{Duration, Instant};

use crate::hub;
use crate::turn::Turn;

use super::conn::Conns;
use super::tls::Expired;
use super::watch::Trouble;

/// Ends those who are gone without a word, or leave what they were sent in the kernel.
pub(super) fn look_after(
    turn: &mut Turn,
    conns: &mut Conns,
    now: Instant,
    stall_timeout: Duration,
) {
    let hub = turn.hub();
    let troubled = conns.look(now, stall_timeout, |id| {
        let session = hub.sessions().get(id);
        session.map_or(0, |session| session.outbox.bytes_taken())
    });
    for (id, trouble) in troubled {
        let event = match trouble {
            Trouble::Vanished => hub::Event::Lost,
            Trouble::Stalled => hub::Event::Stalled,
        };
        turn.hub_mut().handle_event(id, event);
    }
    let hub = turn.hub();
    let expired = conns.look_for_expired(now, |id| hub.sessions().wants_input(id));
    for (id, what) in expired {
        let event = match what {
            Expired::Handshake => hub::Event::HandshakeExpired,
            Expired::Record => hub::Event::Faulty,
        };
        turn.hub_mut().handle_event(id, event);
    }
}
