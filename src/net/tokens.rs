//! The token space of the one poll: what each token stands for. Everybody who registers something
//! takes its token from here. Only numbers; nobody owns anything.

use mio::Token;

use crate::session::SessionId;

use super::listener::LISTENERS_MAX;

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A connection: its slot, and which of those that had the slot.
    Conn(SessionId, Generation),
    /// A listener, by its place in the list.
    Listener(usize),
    /// A connection of a proxy that has not said from where it comes, by its place.
    Proxied(usize),
    Signals,
    /// Standard input of the operator.
    Console,
    /// The operator's socket: somebody comes.
    OperatorSocket,
    /// An operator at that socket, by its place.
    Operator(usize),
    /// The threads of the store have something to say.
    Store,
}

/// Tells a connection from those that had its slot before, in late events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Generation(u32);

/// Operators at the operator's socket at once, at most: so many tokens are kept for them.
pub(super) const OPERATORS_MAX: usize = 1024;
const GENERATION_BITS: u32 = 31;
/// Connections lie below, everything else above.
const FIRST_OTHER: usize = 1 << (GENERATION_BITS + u32::BITS);
const SIGNALS: usize = FIRST_OTHER;
const CONSOLE: usize = FIRST_OTHER + 1;
const STORE: usize = FIRST_OTHER + 2;
const OPERATOR_SOCKET: usize = FIRST_OTHER + 3;
const FIRST_LISTENER: usize = FIRST_OTHER + 4;
const FIRST_OPERATOR: usize = FIRST_LISTENER + LISTENERS_MAX;
const FIRST_PROXIED: usize = FIRST_OPERATOR + OPERATORS_MAX;
const _: () = assert!(
    usize::MAX - FIRST_PROXIED > u32::MAX as usize,
    "there is a token for every descriptor"
);

impl Generation {
    /// The one after this; they come again after two billion.
    pub(super) fn next(self) -> Generation {
        Generation(self.0.wrapping_add(1) & ((1 << GENERATION_BITS) - 1))
    }
}

impl Source {
    pub(super) fn token(self) -> Token {
        Token(match self {
            Source::Conn(id, Generation(generation)) => {
                (generation as usize) << u32::BITS | id.slot()
            }
            Source::Signals => SIGNALS,
            Source::Console => CONSOLE,
            Source::OperatorSocket => OPERATOR_SOCKET,
            Source::Operator(index) => FIRST_OPERATOR + index,
            Source::Store => STORE,
            Source::Listener(index) => FIRST_LISTENER + index,
            Source::Proxied(index) => FIRST_PROXIED + index,
        })
    }

    pub(super) fn of(token: Token) -> Source {
        match token.0 {
            SIGNALS => Source::Signals,
            CONSOLE => Source::Console,
            STORE => Source::Store,
            OPERATOR_SOCKET => Source::OperatorSocket,
            other if other >= FIRST_PROXIED => Source::Proxied(other - FIRST_PROXIED),
            other if other >= FIRST_OPERATOR => Source::Operator(other - FIRST_OPERATOR),
            other if other >= FIRST_LISTENER => Source::Listener(other - FIRST_LISTENER),
            other => {
                let generation = Generation((other >> u32::BITS) as u32);
                Source::Conn(SessionId(other as u32), generation)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_stands_for_one_thing() {
        let last = Generation(u32::MAX >> 1);
        assert_eq!(last.next(), Generation(0));
        let sources = [
            Source::Conn(SessionId(0), Generation(0)),
            Source::Conn(SessionId(u32::MAX), Generation(0)),
            Source::Conn(SessionId(0), Generation(1)),
            Source::Conn(SessionId(u32::MAX), last),
            Source::Listener(0),
            Source::Listener(LISTENERS_MAX - 1),
            Source::Proxied(0),
            Source::Proxied(u32::MAX as usize),
            Source::Signals,
            Source::Console,
            Source::OperatorSocket,
            Source::Operator(0),
            Source::Operator(OPERATORS_MAX - 1),
            Source::Store,
        ];
        for (index, source) in sources.iter().enumerate() {
            assert_eq!(Source::of(source.token()), *source);
            let same = |other: &&Source| other.token() == source.token();
            assert_eq!(sources.iter().filter(same).count(), 1, "{index}");
        }
    }
}
