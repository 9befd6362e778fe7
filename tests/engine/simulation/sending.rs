//! How a client sends: lines, or frames if it is a WebSocket, whole or not, in any number of pieces.
//! Part of a simulation.

use std::time::Duration;

use super::browser;
use super::crowd::Event;
use super::driver::Simulation;

impl Simulation {
    pub(crate) fn is_framed(&mut self, slot: usize) -> bool {
        let socket = self.network.get_mut(slot);
        socket.is_some_and(|socket| socket.framer.is_some())
    }

    /// Sends lines, in frames if it is a WebSocket.
    pub(crate) fn send(&mut self, slot: usize, lines: &[u8]) {
        let socket = self.network.get_mut(slot);
        match socket.and_then(|socket| socket.framer.as_mut()) {
            Some(framer) => {
                let messages = framer.messages(&mut self.rng, lines);
                self.send_raw(slot, &messages);
            }
            None => self.send_raw(slot, lines),
        }
    }

    /// Sends something that has no end yet.
    pub(crate) fn send_half(&mut self, slot: usize) {
        let socket = self.network.get_mut(slot);
        match socket.and_then(|socket| socket.framer.as_mut()) {
            Some(framer) => {
                let half = framer.half(&mut self.rng);
                self.send_raw(slot, &half);
            }
            None => self.send_raw(slot, b"half a li"),
        }
    }

    pub(crate) fn send_last_frame(&mut self, slot: usize) {
        let last = browser::last_frame(&mut self.rng);
        self.send_raw(slot, &last);
    }

    /// Sends in any number of pieces, which arrive in order and whenever they like.
    pub(crate) fn send_raw(&mut self, slot: usize, bytes: &[u8]) {
        let Some(socket) = self.network.get_mut(slot) else {
            return;
        };
        let pieces = self.rng.usize(1..=4);
        let mut rest = bytes;
        for piece in 1..=pieces {
            let count = if piece == pieces {
                rest.len()
            } else {
                self.rng.usize(..=rest.len())
            };
            let (now, later) = rest.split_at(count);
            rest = later;
            if now.is_empty() {
                continue;
            }
            let wait = [0, 100, 3000, 30_000][self.rng.usize(..4)];
            let wait = Duration::from_micros(self.rng.u64(..=wait));
            socket.arrival = socket.arrival.max(self.now + wait);
            self.crowd.plan(
                socket.arrival,
                0,
                Event::Arrive(socket.serial, now.to_vec()),
            );
        }
    }
}
