//! The other end of a WebSocket: tungstenite where a test wants an honest one ([`Frames`], within
//! a [`Client`]), and frames as bytes where it wants a fault. Owned by the test that connected it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

use tungstenite::error::ProtocolError;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::{Client, Daemon, PATIENCE, Program};

/// A WebSocket, as a stream of lines.
pub(super) struct Frames {
    socket: WebSocket<TcpStream>,
    /// How the server ended it: `Some(None)` without a code.
    ended: Option<Option<u16>>,
    pings: usize,
}

impl Frames {
    /// Asks for a WebSocket on a connection that has said nothing yet.
    #[track_caller]
    pub(super) fn open(stream: TcpStream, server: SocketAddr) -> Frames {
        let url = format!("ws://{server}/ws");
        let config = WebSocketConfig::default();
        let (socket, _) = tungstenite::client::client_with_config(url, stream, Some(config))
            .expect("the server becomes a WebSocket");
        Frames {
            socket,
            ended: None,
            pings: 0,
        }
    }

    /// Sends each line as a message.
    pub(super) fn send(&mut self, lines: &[u8]) -> Result<(), Error> {
        let lines = str::from_utf8(lines).expect("messages are text");
        for line in lines.lines() {
            self.socket.write(Message::text(line))?;
        }
        self.socket.flush()
    }

    /// Appends the next message as a line; 0 at the end, as a read.
    pub(super) fn read(&mut self, lines: &mut Vec<u8>) -> io::Result<usize> {
        match self.socket.read() {
            Ok(Message::Text(text)) => {
                assert!(!text.contains('\n'), "one line a message: {text:?}");
                lines.extend_from_slice(text.as_bytes());
                lines.push(b'\n');
                Ok(text.len() + 1)
            }
            Ok(Message::Close(frame)) => {
                assert_eq!(self.ended, None, "it ends once");
                self.ended = Some(frame.map(|frame| frame.code.into()));
                Err(ErrorKind::Interrupted.into())
            }
            Ok(Message::Ping(_)) => {
                self.pings += 1;
                Err(ErrorKind::Interrupted.into())
            }
            Ok(Message::Pong(_)) => Err(ErrorKind::Interrupted.into()),
            Ok(other) => panic!("the server sends text, not {other:?}"),
            Err(Error::ConnectionClosed) => Ok(0),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Ok(0),
            Err(Error::Io(error)) => Err(error),
            Err(error) => panic!("the server breaks the rules: {error}"),
        }
    }
}

impl Client {
    /// Becomes a WebSocket: each line in a message of its own, both ways.
    #[track_caller]
    pub fn into_websocket(mut self, server: SocketAddr) -> Client {
        let stream = self.stream.try_clone().expect("a second handle");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a deadline for the handshake");
        self.frames = Some(Box::new(Frames::open(stream, server)));
        self
    }

    fn frames(&mut self) -> &mut Frames {
        self.frames.as_mut().expect("a WebSocket")
    }

    /// The code with which the server has ended the WebSocket, if it has given one.
    pub fn close_code(&mut self) -> Option<u16> {
        self.frames().ended.flatten()
    }

    /// How often the server has asked whether this end is there.
    pub fn pings_heard(&mut self) -> usize {
        self.frames().pings
    }

    /// Ends the WebSocket from here, with this code.
    pub fn close_websocket(&mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        let socket = &mut self.frames().socket;
        socket.close(Some(frame)).expect("saying the last word");
        socket.flush().expect("the server takes it");
    }
}

impl Daemon {
    /// A program that speaks over a WebSocket and has said nothing yet.
    #[track_caller]
    pub fn websocket(&self) -> Program {
        Program::over(self.connect().into_websocket(self.address()))
    }

    /// As [`Daemon::enter`], over a WebSocket.
    #[track_caller]
    pub fn enter_websocket(&self, name: &str, rooms: &[&str]) -> Program {
        let mut program = self.websocket();
        program.enter(name, rooms);
        program
    }

    /// A connection that is a WebSocket and whose frames the test makes itself.
    #[track_caller]
    pub fn raw_websocket(&self) -> Client {
        let mut client = self.connect();
        client.send(upgrade("").as_bytes());
        expect_upgraded(&mut client);
        client
    }
}

/// The next line must be this refusal with the end, then comes a close with this code, then the end
/// of the connection.
#[track_caller]
pub fn expect_ended_with(program: &mut Program, code: &str, close_code: u16) {
    program.expect_ended(code);
    assert_eq!(program.close_code(), Some(close_code));
}

/// A request for a WebSocket, with more fields: each with its CR LF.
pub fn upgrade(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// The answer to [`upgrade`] (its key is that of RFC 6455, 1.3).
#[track_caller]
pub fn expect_upgraded(client: &mut Client) {
    let wanted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let got = client.take_bytes(wanted.len());
    assert_eq!(String::from_utf8_lossy(&got), wanted);
}

/// The first byte of a frame.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
/// A first part of a text, others follow.
pub const TEXT_BEGINS: u8 = 0x01;
pub const GOES_ON: u8 = 0x00;
pub const GOES_ON_AND_ENDS: u8 = 0x80;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = head(first, payload.len() as u64);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// The head of a masked frame of this length, without its mask.
pub fn head(first: u8, length: u64) -> Vec<u8> {
    const IS_MASKED: u8 = 0x80;
    let mut bytes = vec![first];
    if let Ok(length @ 0..126) = u8::try_from(length) {
        bytes.push(IS_MASKED | length);
    } else if let Ok(length) = u16::try_from(length) {
        bytes.push(IS_MASKED | 126);
        bytes.extend(length.to_be_bytes());
    } else {
        bytes.push(IS_MASKED | 127);
        bytes.extend(length.to_be_bytes());
    }
    bytes
}

/// The next frame of the server: its first byte and its payload.
#[track_caller]
pub fn next_frame(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.take_bytes(2);
    let length = match head[1] {
        126 => {
            let bytes = client.take_bytes(2);
            u64::from(u16::from_be_bytes(bytes.try_into().expect("two")))
        }
        127 => u64::from_be_bytes(client.take_bytes(8).try_into().expect("eight")),
        short => u64::from(short),
    };
    assert!(head[1] < 0x80, "the server masks nothing");
    let length = usize::try_from(length).expect("a message that fits");
    (head[0], client.take_bytes(length))
}

/// The next frames must be texts that begin like this, one each.
#[track_caller]
pub fn expect_texts(client: &mut Client, beginnings: &[&str]) {
    for beginning in beginnings {
        let (first, payload) = next_frame(client);
        let text = String::from_utf8(payload).expect("text is UTF-8");
        assert!(
            first == TEXT && text.starts_with(beginning),
            "wanted `{beginning}`: {first:#x} {text}"
        );
    }
}

/// The next frame must be a close with this code, and then the connection ends in good order.
#[track_caller]
pub fn expect_close(client: &mut Client, code: u16) {
    let got = next_frame(client);
    assert_eq!(got, (CLOSE, code.to_be_bytes().to_vec()), "wanted {code}");
    assert_eq!(client.raw_until_closed(), b"", "nothing follows a close");
}
