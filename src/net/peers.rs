//! Who of the peers is ended for what only the sockets show: gone without a word, reading nothing, or
//! late with TLS. How that is seen is `watch`'s and `tls`'s, what comes of it the hub's. A function over
//! both; nobody owns anything here.

use std::time::Instant;

use crate::hub::Event;
use crate::turn::Turn;

use super::conn::Conns;
use super::tls::Expired;
use super::watch::Trouble;

/// Ends those who are gone without a word, or leave what they were sent in the kernel.
pub(super) fn look_after(turn: &mut Turn, conns: &mut Conns, now: Instant) {
    let hub = turn.hub();
    let troubled = conns.look(now, |id| {
        let session = hub.sessions().get(id);
        session.map_or(0, |session| session.outbox.bytes_taken())
    });
    for (id, trouble) in troubled {
        let event = match trouble {
            Trouble::Vanished => Event::Lost,
            Trouble::Stalled => Event::Stalled,
        };
        turn.hub_mut().handle_event(id, event);
    }
    let hub = turn.hub();
    let expired = conns.look_for_expired(now, |id| hub.sessions().wants_input(id));
    for (id, what) in expired {
        let event = match what {
            Expired::Handshake => Event::HandshakeExpired,
            Expired::Record => Event::Faulty,
        };
        turn.hub_mut().handle_event(id, event);
    }
}
