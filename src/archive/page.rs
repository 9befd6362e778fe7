//! `Page`: a part of the past of a room, as it was read. [`PageBuilder`] gathers it within bounds.
//! Where the messages come from is not its business.

use crate::chat::{Manner, Message, MessageId};

/// Messages of one room, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Senders and texts one after another, in one piece of memory.
    said: String,
    entries: Vec<Entry>,
    /// The room, as it is shown; empty where that does not matter.
    pub room: String,
    /// Whether there is further in the direction that was asked.
    pub more: bool,
    /// Of a page behind a message: how many were said behind that and could not be kept. `None` if
    /// nobody knows.
    pub not_kept: Option<u64>,
    /// Of what was said up to this message nothing is still to come: what is not there was not kept.
    pub kept_to: MessageId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    id: MessageId,
    start: usize,
    from_bytes: usize,
    text_bytes: usize,
    manner: Manner,
}

impl Page {
    /// One without messages: whatever was said up to this one was not kept.
    pub fn empty(kept_to: MessageId) -> Page {
        Page {
            kept_to,
            ..Page::default()
        }
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = Message<'_>> + ExactSizeIterator {
        self.entries.iter().map(|entry| {
            let (from, behind) = self.said[entry.start..].split_at(entry.from_bytes);
            Message {
                id: entry.id,
                from,
                text: &behind[..entry.text_bytes],
                manner: entry.manner,
            }
        })
    }

    /// Adds the messages of another page, all of them later.
    pub fn append(&mut self, later: &Page) {
        let moved = self.said.len();
        self.said.push_str(&later.said);
        self.entries.extend(later.entries.iter().map(|entry| Entry {
            start: moved + entry.start,
            ..*entry
        }));
        self.more |= later.more;
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.said.len() + self.entries.len() * size_of::<Entry>()
    }
}

/// A page that is being gathered.
#[derive(Debug)]
pub struct PageBuilder {
    page: Page,
    messages_max: usize,
    bytes_max: usize,
}

impl PageBuilder {
    /// Takes so many messages in so many bytes; one message always.
    pub fn new(messages_max: usize, bytes_max: usize) -> PageBuilder {
        PageBuilder {
            page: Page::default(),
            messages_max,
            bytes_max,
        }
    }

    /// Adds a message. One that has no room is not added: there is more, and that is `false`.
    pub fn push(&mut self, message: &Message<'_>) -> bool {
        let bytes = message.from.len() + message.text.len() + size_of::<Entry>();
        let is_full = self.page.len() >= self.messages_max
            || !self.page.is_empty() && self.page.bytes() + bytes > self.bytes_max;
        if is_full {
            self.page.more = true;
            return false;
        }
        self.page.entries.push(Entry {
            id: message.id,
            start: self.page.said.len(),
            from_bytes: message.from.len(),
            text_bytes: message.text.len(),
            manner: message.manner,
        });
        self.page.said.push_str(message.from);
        self.page.said.push_str(message.text);
        true
    }

    /// How many messages there are so far.
    pub fn len(&self) -> usize {
        self.page.len()
    }

    /// Whether there is none so far.
    pub fn is_empty(&self) -> bool {
        self.page.is_empty()
    }

    /// The page, in whatever order the messages came.
    pub fn finish(mut self) -> Page {
        self.page.entries.sort_by_key(|entry| entry.id);
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64, text: &str) -> Message<'_> {
        Message {
            id: format!("{number}-0").parse().unwrap(),
            from: "ann",
            text,
            manner: Manner::Plain,
        }
    }

    #[test]
    fn a_page_is_in_order_and_within_its_bounds() {
        let mut page = PageBuilder::new(3, 1 << 20);
        for number in [9, 8, 7] {
            assert!(page.push(&message(number, &number.to_string())));
        }
        assert!(!page.push(&message(6, "6")));
        let mut page = page.finish();
        let texts: Vec<&str> = page.messages().map(|message| message.text).collect();
        assert_eq!((texts, page.more), (vec!["7", "8", "9"], true));

        let mut later = PageBuilder::new(3, 1 << 20);
        later.push(&message(10, "ten"));
        page.append(&later.finish());
        let texts: Vec<&str> = page.messages().map(|message| message.text).collect();
        assert_eq!(texts, ["7", "8", "9", "ten"]);

        let long = "x".repeat(100);
        let mut page = PageBuilder::new(9, 50);
        assert!(page.push(&message(1, &long)), "one always");
        assert!(!page.push(&message(2, "x")));
    }
}
