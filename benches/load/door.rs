//! The ways into chatd that a run may take: which language is spoken, in frames or not, sealed or
//! not. Plain values; who speaks is `connect` and `member`.

use clap::ValueEnum;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Door {
    /// Plain text, as people type it.
    Text,
    /// JSON lines, as programs speak them.
    Json,
    /// JSON in the frames of a WebSocket.
    Ws,
    /// Plain text over TLS.
    Tls,
    /// JSON in the frames of a WebSocket over TLS.
    Wss,
}

impl Door {
    /// The word in tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Door::Text => "chatd",
            Door::Json => "chatd json",
            Door::Ws => "chatd ws",
            Door::Tls => "chatd tls",
            Door::Wss => "chatd wss",
        }
    }

    /// Whether JSON is spoken.
    pub(crate) fn is_program(self) -> bool {
        matches!(self, Door::Json | Door::Ws | Door::Wss)
    }

    /// Whether each line is a frame of a WebSocket.
    pub(crate) fn is_framed(self) -> bool {
        matches!(self, Door::Ws | Door::Wss)
    }

    /// Whether it is spoken over TLS.
    pub(crate) fn is_sealed(self) -> bool {
        matches!(self, Door::Tls | Door::Wss)
    }
}
