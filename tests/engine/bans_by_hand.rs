//! Bans and mutes, told by hand: clocks that jump over their ends, and names as they are compared.

use std::net::IpAddr;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::{Hub, Imposed, NotImposed, Wanted};
use chatd::moderation::{Kind, Whom};
use chatd::session::{CloseReason, SessionId};
use chatd::time::WallTime;

use super::turn_stage::Stage;

const HOUR: Duration = Duration::from_secs(3600);
const START: u64 = 1_790_000_000_000;

/// One turn in which the wall clock shows so many hours behind its start.
fn turn_at_hour<T>(stage: &mut Stage, hour: u64, operate: impl FnOnce(&mut Hub) -> T) -> T {
    let wall = WallTime::from_millis(START + hour * 3_600_000);
    stage.turn.start(stage.now, wall, &mut stage.connections);
    let result = operate(stage.turn.hub_mut());
    stage.turn.finish(&mut stage.connections, |_| {});
    result
}

fn against(name: &str) -> Wanted<'_> {
    Wanted {
        whom: Whom::Named(name),
        length: Some(HOUR),
        why: Some("noise"),
        by: "test",
        is_forced: false,
    }
}

/// Everybody comes from an address that ends with the number of its slot.
fn address_of(id: SessionId) -> Option<IpAddr> {
    format!("192.0.2.{}", id.0).parse().ok()
}

fn ban(hub: &mut Hub, name: &str) -> Result<Imposed, NotImposed> {
    hub.moderator().ban(&against(name), address_of)
}

fn mute(hub: &mut Hub, name: &str) -> Result<Imposed, NotImposed> {
    hub.moderator().mute(&against(name), address_of)
}

#[test]
fn a_clock_that_jumps_over_the_end_of_a_ban_ends_it_until_it_is_set_back() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "ann\n");
    turn_at_hour(&mut stage, 0, |_| {});
    let imposed = turn_at_hour(&mut stage, 0, |hub| ban(hub, "ANN")).unwrap();
    assert_eq!((imposed.ended, imposed.others), (1, 0));
    assert_eq!(imposed.sanction.target.to_string(), "ann and 192.0.2.0");
    stage.ends_with(0, "! banned noise\n");
    let is_banned = |hub: &mut Hub| {
        let address = address_of(SessionId(0)).unwrap();
        hub.overview().ban_on(address).is_some()
    };
    for (slot, hour, expected) in [(1, 0, true), (2, 999, false), (3, 0, true), (4, 1, false)] {
        stage.connect(slot, "ann\n");
        let found = turn_at_hour(&mut stage, hour, |hub| is_banned(hub));
        assert_eq!(found, expected, "hour {hour}");
        let heard = stage.heard_by(slot);
        assert_eq!(heard == "! banned noise\n", expected, "{heard}");
        assert_eq!(heard.starts_with("* welcome"), !expected, "{heard}");
        stage.end(slot);
        turn_at_hour(&mut stage, hour, |_| {});
    }
}

#[test]
fn a_clock_that_jumps_over_the_end_of_a_mute_ends_it_until_it_is_set_back() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "ben\n");
    stage.connect(1, "ann\n");
    turn_at_hour(&mut stage, 0, |_| {});
    turn_at_hour(&mut stage, 0, |hub| mute(hub, "ann")).unwrap();
    for (text, hour, is_heard) in [("a", 0, false), ("b", 2, true), ("c", 0, false)] {
        stage.say(1, &format!("{text}\n"));
        turn_at_hour(&mut stage, hour, |_| {});
        let heard = stage.heard_by(0);
        assert_eq!(
            heard.ends_with(&format!("<ann> {text}\n")),
            is_heard,
            "{heard}"
        );
    }
    stage.ends_with(
        1,
        "! muted the operator has muted you until 2026-09-21 15:13 UTC: nobody is told this\n",
    );
}

#[test]
fn who_only_looks_like_it_is_not_ended_and_not_muted() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "lan\n");
    stage.connect(1, "ben\n");
    turn_at_hour(&mut stage, 0, |_| {});
    let banned = turn_at_hour(&mut stage, 0, |hub| ban(hub, "Ian")).unwrap();
    let muted = turn_at_hour(&mut stage, 0, |hub| mute(hub, "Ian")).unwrap();
    assert_eq!(
        (banned.ended, banned.sanction.target.to_string()),
        (0, "Ian".into())
    );
    assert_eq!(muted.sanction.target.to_string(), "Ian");
    stage.say(0, "hello\n");
    turn_at_hour(&mut stage, 0, |_| {});
    stage.ends_with(1, "<lan> hello\n");
    // But nobody takes a name that looks like it.
    stage.say(1, "/nick lan1\n/nick ian\n");
    turn_at_hour(&mut stage, 0, |_| {});
    stage.ends_with(1, "! bad-name this name is banned here, choose another\n");
}

#[test]
fn a_ban_of_all_ends_all_and_each_is_told_of_those_before() {
    let mut stage = Stage::new(Limits::default());
    for slot in 0..20 {
        stage.connect(slot, &format!("m{slot}\n"));
    }
    stage.connect(20, "");
    turn_at_hour(&mut stage, 0, |_| {});
    let all = Wanted {
        whom: Whom::From("192.0.2.0/24".parse().unwrap()),
        ..against("")
    };
    let imposed = turn_at_hour(&mut stage, 0, |hub| hub.moderator().ban(&all, address_of));
    assert_eq!(imposed.unwrap().ended, 21);
    for slot in 0..=20 {
        stage.ends_with(slot, "! banned noise\n");
        stage.end(slot);
    }
    turn_at_hour(&mut stage, 0, |_| {});
    for slot in 0..=20 {
        assert_eq!(stage.connection(slot).closed, Some(CloseReason::Banned));
    }
    let listed = turn_at_hour(&mut stage, 0, |hub| hub.moderator().list(Kind::Ban).count());
    assert_eq!(listed, 1);
}
