//! `Ledger`: what the user asked for and the server has not answered, oldest first. It knows what
//! may be sent next, and what a lost link leaves in doubt: a text that was sent and neither heard
//! in the room nor answered. Doubts end with the replay after the return. Pure; owned by the
//! session, whose tests cut links at every byte.

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::Value;

use crate::wire::Event;

/// One thing that the user asked for.
#[derive(Debug)]
pub struct Order {
    /// Of the line of input that it came from; the `ref` of its request.
    pub number: u64,
    /// As it was typed.
    pub line: String,
    pub request: Value,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not sent on this link.
    Waiting,
    /// Sent, and nothing heard of it.
    Sent(Instant),
    /// A text that has been heard in the room: it is placed, and not yet answered.
    Heard(Instant),
    /// A text that was sent on an earlier link, and may or may not be placed.
    Doubtful,
}

impl Order {
    /// The `do` of the request.
    pub fn what(&self) -> &str {
        self.request["do"].as_str().unwrap_or_default()
    }

    /// The room in which it says something.
    pub fn room(&self) -> Option<&str> {
        let room = self.request["room"].as_str();
        room.filter(|_| self.what() == "say")
    }

    fn says(&self, room: &str, said: &Event) -> bool {
        let is_action = self.request["action"] == true;
        let is_text = self.what() == "say" && self.request["text"] == said.text;
        let is_in_room = self.request["room"].as_str().map(str::to_lowercase);
        let is_in_room = is_in_room == Some(room.to_lowercase());
        is_text && is_in_room && is_action == said.action
    }
}

/// See the file.
#[derive(Debug, Default)]
pub struct Ledger {
    orders: VecDeque<Order>,
}

impl Ledger {
    /// Notes what the user asks for, behind everything else.
    pub fn push(&mut self, number: u64, line: String, request: Value) {
        let state = State::Waiting;
        self.orders.push_back(Order {
            number,
            line,
            request,
            state,
        });
    }

    /// Puts an order that was answered back to the front, to be sent again.
    pub fn put_back(&mut self, mut order: Order) {
        order.state = State::Waiting;
        self.orders.push_front(order);
    }

    /// The request of an order, as it was asked for.
    pub fn request(&self, number: u64) -> Option<&Value> {
        let mut orders = self.orders.iter();
        let order = orders.find(|order| order.number == number);
        order.map(|order| &order.request)
    }

    /// How many are unanswered.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// What is to be sent now, and counts as sent from now on. Nothing overtakes a change of
    /// rooms, nor a post: whoever stays outside a room hears no replay that ends a doubt.
    pub fn next_to_send(&mut self, now: Instant) -> Option<&Order> {
        let first = self
            .orders
            .iter()
            .position(|order| order.state == State::Waiting)?;
        let blocks = |order: &Order| {
            order.state == State::Doubtful || matches!(order.what(), "join" | "post")
        };
        if self.orders.range(..first).any(blocks) {
            return None;
        }
        self.orders[first].state = State::Sent(now);
        Some(&self.orders[first])
    }

    /// Takes the order that was answered, and when it was sent.
    pub fn answered(&mut self, number: u64) -> Option<(Order, Instant)> {
        let index = self
            .orders
            .iter()
            .position(|order| order.number == number)?;
        match self.orders[index].state {
            State::Sent(at) | State::Heard(at) => Some((self.orders.remove(index)?, at)),
            State::Waiting | State::Doubtful => None,
        }
    }

    /// A message of our own stands in the room. Whether it is one of these.
    pub fn heard(&mut self, room: &str, said: &Event) -> bool {
        let is_open = |order: &Order| matches!(order.state, State::Sent(_) | State::Doubtful);
        let is_it = |order: &Order| is_open(order) && order.says(room, said);
        let Some(index) = self.orders.iter().position(is_it) else {
            return false;
        };
        match self.orders[index].state {
            State::Sent(at) => self.orders[index].state = State::Heard(at),
            _ => drop(self.orders.remove(index)),
        }
        true
    }

    /// The link is lost. What may have been done, will not be done again, and cannot be found in a
    /// replay, is given back.
    pub fn lose(&mut self) -> Vec<Order> {
        let mut lost = self.take(|order| matches!(order.state, State::Sent(_) | State::Heard(_)));
        lost.retain(|order| matches!(order.state, State::Sent(_)));
        let is_repeated =
            |order: &Order| !matches!(order.what(), "msg" | "nick" | "topic" | "post");
        let (repeated, given_up) = lost.into_iter().partition::<Vec<Order>, _>(is_repeated);
        for mut order in repeated.into_iter().rev() {
            let is_text = order.what() == "say";
            order.state = if is_text {
                State::Doubtful
            } else {
                State::Waiting
            };
            self.orders.push_front(order);
        }
        given_up
    }

    /// The replay of a room is over. If it had no gap, what is in doubt there was not placed, and is
    /// sent again; else it is given back.
    pub fn end_doubts(&mut self, room: &str, is_complete: bool) -> Vec<Order> {
        let is_its =
            |order: &Order| order.state == State::Doubtful && order.request["room"] == room;
        if !is_complete {
            return self.take(is_its);
        }
        let its = self.orders.iter_mut().filter(|order| is_its(order));
        its.for_each(|order| order.state = State::Waiting);
        Vec::new()
    }

    /// All replays are over: what is still in doubt is of rooms in which we are no more.
    pub fn take_doubts(&mut self) -> Vec<Order> {
        self.take(|order| order.state == State::Doubtful)
    }

    /// Takes the texts for a room, in which the user is not.
    pub fn take_room(&mut self, room: &str) -> Vec<Order> {
        self.take(|order| order.what() == "say" && order.request["room"] == room)
    }

    fn take(&mut self, is_taken: impl Fn(&Order) -> bool) -> Vec<Order> {
        let orders = std::mem::take(&mut self.orders);
        let (taken, kept): (VecDeque<Order>, _) = orders.into_iter().partition(is_taken);
        self.orders = kept;
        taken.into()
    }

    /// What the user called one room is called otherwise by the server.
    pub fn rename_room(&mut self, asked: &str, room: &str) {
        for order in self
            .orders
            .iter_mut()
            .filter(|order| order.request["room"] == asked)
        {
            order.request["room"] = room.into();
        }
    }

    /// The number of the wish to enter a room that is sent. There is one at most: nothing overtakes it.
    pub fn join_sent(&self) -> Option<u64> {
        let is_it =
            |order: &&Order| order.what() == "join" && matches!(order.state, State::Sent(_));
        Some(self.orders.iter().find(is_it)?.number)
    }

    /// Those of which nothing has been heard, oldest first.
    pub fn unheard(&self) -> impl Iterator<Item = &Order> {
        let is_heard = |order: &&Order| matches!(order.state, State::Heard(_));
        self.orders.iter().filter(move |order| !is_heard(order))
    }

    /// Since when the oldest of those that were sent waits for its answer.
    pub fn waits_since(&self) -> Option<Instant> {
        self.orders.iter().find_map(|order| match order.state {
            State::Sent(at) | State::Heard(at) => Some(at),
            State::Waiting | State::Doubtful => None,
        })
    }
}
