//! How the operator is shown what was said before, and told how much of it was taken back. Lines alone;
//! who asks and from where they come is `recalling`'s and `keeping`'s.

use crate::chat::{Manner, Message};

/// What is answered when that is done.
pub(super) fn said_forgotten(count: usize) -> String {
    match count {
        0 => "! no-such-name nothing of that is known".to_owned(),
        1 => "= 1 message was forgotten".to_owned(),
        _ => format!("= {count} messages were forgotten"),
    }
}

/// Messages as the operator sees them, and the line behind them.
pub(super) fn said<'m>(messages: impl Iterator<Item = Message<'m>>) -> Vec<String> {
    let mut lines: Vec<String> = messages
        .map(|message| {
            let action = match message.manner {
                Manner::Action => "/me ",
                Manner::Plain | Manner::Posted => "",
            };
            let at = jiff::Timestamp::from_millisecond(
                i64::try_from(message.id.at().as_millis()).unwrap_or(i64::MAX),
            );
            let at = at.map_or_else(
                |_| String::new(),
                |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            );
            let Message { id, from, text, .. } = message;
            format!("= {id} {at} <{from}> {action}{text}")
        })
        .collect();
    lines.push("= end".to_owned());
    lines
}
