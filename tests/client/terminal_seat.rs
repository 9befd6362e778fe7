//! The member's seat as a person sees it: what stands on the screen after each step, while lines
//! come, while one types, pastes and resizes. The server is scripted by each test.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client_support::{FakeServer, Peer};
use crate::terminal_support::{Model, Sitting, seat};

/// A seat in the lobby, and the server's side of it.
fn seated(arguments: &[&str]) -> (Sitting, Peer, FakeServer) {
    seated_sized(arguments, 80, 24)
}

fn seated_sized(arguments: &[&str], columns: u16, rows: u16) -> (Sitting, Peer, FakeServer) {
    let server = FakeServer::new();
    let sitting = Sitting::start_sized(seat(server.address(), arguments), columns, rows);
    let peer = server.accept_and_greet("ann");
    sitting.sees("the prompt of the lobby", |model| {
        let (row, _) = model.cursor_row();
        row.starts_with("lobby ") && row.ends_with(" ms>")
    });
    (sitting, peer, server)
}

/// The rows of the conversation without their times, welcome and what is in the zone.
fn conversation(model: &Model) -> Vec<String> {
    let rows = model.rows();
    let is_line = |row: &&String| row.len() > 5 && row.as_bytes()[2] == b':';
    let lines = rows
        .iter()
        .filter(is_line)
        .map(|row| row[5..].trim_start().to_owned());
    lines
        .skip_while(|line| !line.starts_with("~ you are"))
        .skip(1)
        .collect()
}

/// Whether it is on the screen now.
fn is_shown(model: &Model, text: &str) -> bool {
    model.rows().iter().any(|row| row.contains(text))
}

fn is_time(text: &str) -> bool {
    let (hours, minutes) = text.split_once(':').unwrap_or(("", ""));
    hours.len() == 2
        && minutes.len() == 2
        && [hours, minutes].iter().all(|n| n.parse::<u8>().is_ok())
}

// Lines come while one types

#[test]
fn incoming_lines_appear_above_a_half_typed_one() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("half ty");
    sitting.sees_draft("half ty");
    let column = sitting.model().cursor_row().1;
    peer.says("<ben> one\n* cyd joined (3 here)\n");
    sitting.sees_text("cyd joined");
    sitting.sees_draft("half ty");
    assert_eq!(sitting.model().cursor_row().1, column);
    assert_eq!(
        conversation(&sitting.model()),
        ["<ben> one", "* cyd joined (3 here)"]
    );
    sitting.types("ped");
    sitting.sees_draft("half typed");
    sitting.types("\r");
    peer.hears("half typed");
}

#[test]
fn every_letter_stays_whole_while_500_lines_a_second_come() {
    const LINES: usize = 1_000;
    const TEXT: &str = "the quick brown fox jumps over the lazy dog";
    let (sitting, mut peer, _server) = seated(&[]);
    let talker = std::thread::spawn(move || {
        let start = Instant::now();
        for number in 0..LINES {
            let due = start + Duration::from_secs_f64(number as f64 / 500.0);
            while Instant::now() < due {
                std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
            peer.says(&format!("<ben> line {number}\n"));
        }
        peer
    });
    for end in 1..=TEXT.len() {
        sitting.types(&TEXT[end - 1..end]);
        sitting.sees_draft(TEXT[..end].trim_end());
    }
    let mut peer = talker.join().unwrap();
    sitting.sees_text(&format!("line {}", LINES - 1));
    sitting.sees_draft(TEXT);
    sitting.types("\r");
    peer.returns("ann", TEXT);
    sitting.sees_text(&format!("<ann> {TEXT}"));
    let rows = sitting.model().all_rows();
    let lines: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.split_once("<ben> "))
        .map(|(_, line)| line)
        .collect();
    let wanted: Vec<String> = (0..LINES).map(|number| format!("line {number}")).collect();
    assert_eq!(lines, wanted);
    let drafts = rows
        .iter()
        .filter(|row| row.contains("> the quick"))
        .count();
    assert_eq!(drafts, 1, "a prompt was left behind\n{}", rows.join("\n"));
}

#[test]
fn a_flood_leaves_nothing_of_the_prompt_behind() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("draft");
    sitting.sees_draft("draft");
    let flood: String = (0..3_000)
        .map(|number| format!("<ben> {number} {}\n", "x".repeat(150)))
        .collect();
    peer.says(&flood);
    peer.says("<ben> done\n");
    sitting.sees_text("<ben> done");
    sitting.sees_draft("draft");
    let rows = sitting.model().all_rows();
    assert_eq!(rows.iter().filter(|row| row.contains("> draft")).count(), 1);
    let count = rows.iter().filter(|row| row.contains("<ben> ")).count();
    assert_eq!(count, 3_001);
}

#[test]
fn only_what_has_changed_is_written() {
    let (sitting, _peer, _server) = seated(&[]);
    sitting.types("hell");
    sitting.sees_draft("hell");
    let before = sitting.model().bytes.len();
    sitting.types("o");
    sitting.sees_draft("hello");
    assert_eq!(sitting.model().bytes[before..], *b"o");
    sitting.types("\u{1b}[D");
    sitting.sees("the cursor before the o", |model| {
        model.cursor_row().0[..model.cursor_row().1].ends_with("hell")
    });
    assert_eq!(sitting.model().bytes[before + 1..], *b"\x1b[1D");
}

// Editing

#[test]
fn the_line_is_edited_and_the_history_of_this_sitting_recalled() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("one too\u{17}two\r");
    peer.returns("ann", "one two");
    sitting.types("second\r");
    peer.returns("ann", "second");
    sitting.types("draft\u{1b}[A");
    sitting.sees_draft("second");
    sitting.types("\u{1b}[A\u{1}\u{1b}f\u{1b}d");
    sitting.sees_draft("one");
    sitting.types("\u{1b}[B\u{1b}[B");
    sitting.sees_draft("draft");
    sitting.types("\u{15}");
    sitting.sees_draft("");
    sitting.types("\u{19}!\r");
    peer.hears("draft!");
}

#[test]
fn wide_and_combining_characters_stand_in_the_right_columns() {
    let (sitting, mut peer, _server) = seated(&[]);
    let start = sitting.model().cursor_row().1;
    // Two columns, one column made of two characters, one column.
    sitting.types("漢e\u{301}x");
    sitting.sees_draft("漢e\u{301}x");
    for column in [4, 3, 2, 0] {
        sitting.sees("the cursor one character further left", |model| {
            model.cursor_row().1 == start + column
        });
        sitting.types("\u{1b}[D");
    }
    sitting.types("한\u{1b}[C");
    sitting.sees_draft("한漢e\u{301}x");
    sitting.sees("the cursor behind two wide ones", |model| {
        model.cursor_row().1 == start + 4
    });
    sitting.types("\u{7f}\u{5}");
    sitting.sees_draft("한e\u{301}x");
    sitting.types("\r");
    peer.hears("한e\u{301}x");
}

#[test]
fn the_cursor_is_right_where_terminals_disagree_on_the_width() {
    let (sitting, mut peer, _server) = seated(&[]);
    let start = sitting.model().cursor_row().1;
    // One picture of two columns to some terminals; to this one, two pictures of two columns each.
    sitting.types("👩\u{200d}🚀x\u{1b}[D");
    sitting.sees("the cursor on the x", |model| {
        model.cursor_row().1 == start + 4
    });
    sitting.types("y\u{1b}[C\u{7f}");
    sitting.sees_draft("👩\u{200d}🚀y");
    sitting.types("\u{1b}[D\u{7f}\r");
    peer.hears("y");
}

#[test]
fn a_long_line_moves_along_with_the_cursor_in_one_row() {
    let (sitting, mut peer, _server) = seated_sized(&[], 40, 10);
    let text: String = (0..30).map(|number| format!("word{number} ")).collect();
    let text = text.trim_end();
    sitting.types(text);
    sitting.sees("the end of the line", |model| {
        model.cursor_row().0.ends_with("word29")
    });
    assert!(
        sitting.model().cursor_row().0.contains('‹'),
        "{}",
        sitting.screen()
    );
    sitting.types("\u{1}");
    sitting.sees("the start of the line", |model| {
        model.cursor_row().0.contains("> word0 word1")
    });
    peer.says("<ben> hi\n");
    sitting.sees_text("<ben> hi");
    let rows = sitting.model().rows();
    assert_eq!(
        rows.iter().filter(|row| row.contains("word")).count(),
        1,
        "{}",
        sitting.screen()
    );
    sitting.types("\r");
    peer.hears(text);
}

#[test]
fn tab_completes_names_and_commands() {
    let (sitting, mut peer, _server) = seated(&[]);
    peer.says("* benedict joined (2 here)\n* bernd joined (3 here)\n");
    sitting.sees_text("* benedict, bernd joined (3 here)");
    sitting.types("b\t");
    sitting.sees_draft("be");
    sitting.types("\t\t\t\t");
    sitting.sees_text("~ benedict bernd");
    let lists = |model: &Model| {
        conversation(model)
            .iter()
            .filter(|line| line.starts_with("~ ben"))
            .count()
    };
    let count = lists(&sitting.model());
    assert_eq!(count, 1, "{}", sitting.screen());
    sitting.types("n\thi\r");
    peer.hears("benedict: hi");
    sitting.types("/msg BER\tpsst\r");
    peer.hears("/msg bernd psst");
    sitting.types("/j\tden\r");
    peer.hears("/join den");
}

#[test]
fn ctrl_l_clears_the_screen_and_keeps_the_line() {
    let (sitting, mut peer, _server) = seated(&[]);
    peer.says("<ben> hi\n");
    sitting.sees_text("<ben> hi");
    sitting.types("draft\u{c}");
    sitting.sees("an empty screen", |model| {
        !model.rows().iter().any(|row| row.contains("ben"))
    });
    sitting.sees_draft("draft");
    assert_eq!(sitting.model().screen().cursor_position().0, 0);
}

// Own lines, round trips

#[test]
fn a_line_not_yet_returned_is_marked_until_it_is() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("first\rsecond\r");
    peer.hears("first");
    peer.hears("second");
    sitting.sees_text("  …   first");
    sitting.sees_text("  …   second");
    sitting.sees_draft("");
    // What is said before it comes back stands before it.
    peer.says("<ben> overtaken\n<ann> first\n");
    sitting.sees_text("<ann> first");
    assert_eq!(
        conversation(&sitting.model()),
        ["<ben> overtaken", "<ann> first"]
    );
    let is_marked = |text: &str| sitting.model().rows().contains(&format!("  …   {text}"));
    assert!(
        !is_marked("first") && is_marked("second"),
        "{}",
        sitting.screen()
    );
    peer.says("<ann> second\n");
    sitting.sees_text("<ann> second");
    assert!(!is_shown(&sitting.model(), "…"), "{}", sitting.screen());
    let model = sitting.model();
    let own = model
        .rows()
        .into_iter()
        .find(|row| row.contains("<ann> first"))
        .unwrap();
    assert!(is_time(&own[..5]), "{own:?}");
}

#[test]
fn many_unreturned_lines_leave_room_for_the_conversation() {
    let (sitting, mut peer, _server) = seated_sized(&[], 40, 8);
    for number in 0..20 {
        sitting.types(&format!("line {number}\r"));
        peer.hears(&format!("line {number}"));
    }
    sitting.sees_text("  …   16 more");
    sitting.sees_text("  …   line 3");
    sitting.resizes(40, 3);
    sitting.sees_text("  …   19 more");
    assert!(
        !is_shown(&sitting.model(), "line 2"),
        "{}",
        sitting.screen()
    );
}

#[test]
fn the_prompt_shows_room_and_link() {
    let (sitting, mut peer, _server) = seated(&[]);
    let figure = |model: &Model| {
        let (row, _) = model.cursor_row();
        let figure = row
            .strip_prefix("lobby ")
            .and_then(|rest| rest.strip_suffix(" ms>"));
        figure.is_some_and(|figure| figure.parse::<f64>().is_ok())
    };
    sitting.sees("a figure in milliseconds", figure);
    sitting.types("/join den\r");
    peer.hears("/join den");
    peer.enters("Den", &["ann"]);
    peer.does_it();
    peer.catches_up("Den", 0);
    sitting.sees("the other room", |model| {
        model.cursor_row().0.starts_with("Den ")
    });
    // What is said in another room is told from what is said here.
    peer.says("<ben> elsewhere\n");
    sitting.sees_text("[lobby] <ben> elsewhere");
    sitting.types("hello\r");
    peer.hears("hello");
    assert_eq!(peer.last["room"], "Den");
    peer.hears_nothing_for(Duration::from_millis(25));
    peer.does_it();
    sitting.sees("the time it took", |model| {
        let (row, _) = model.cursor_row();
        let figure = row
            .strip_prefix("Den +1 ")
            .and_then(|rest| rest.split(' ').next());
        figure.is_some_and(|figure| figure.parse::<f64>().is_ok_and(|figure| figure >= 24.0))
    });
}

#[test]
fn round_trips_stand_under_own_lines_if_wanted() {
    let (sitting, mut peer, _server) = seated(&["--rtt"]);
    sitting.types("hello\r");
    peer.returns("ann", "hello");
    peer.says("<ben> hi\n");
    sitting.sees_text("<ben> hi");
    let rows = sitting.model().rows();
    let own = rows
        .iter()
        .position(|row| row.contains("<ann> hello"))
        .unwrap();
    let under = rows[own + 1].trim_start();
    let figure = under
        .strip_prefix("delivered in ")
        .and_then(|rest| rest.strip_suffix(" ms"));
    assert!(
        figure.is_some_and(|figure| figure.parse::<f64>().is_ok()),
        "{}",
        sitting.screen()
    );
}

#[test]
fn commands_are_shown_as_they_go_out() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("/msg ben psst\r");
    peer.hears("/msg ben psst");
    peer.does_it();
    sitting.sees_text("= sent to ben");
    assert_eq!(
        conversation(&sitting.model()),
        ["/msg ben psst", "= sent to ben"]
    );
}

// Pastes

fn numbered(lines: usize) -> String {
    (1..=lines)
        .map(|number| format!("line {number}\r"))
        .collect()
}

#[test]
fn a_paste_of_one_line_is_not_said_before_enter() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("see ");
    sitting.pastes("this\r");
    sitting.sees_draft("see this");
    sitting.types(" now\r");
    peer.hears("see this now");
}

#[test]
fn a_paste_of_five_lines_is_said_as_text_when_that_is_wanted() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("so: ");
    sitting.pastes("if x\r  /who\r/quit\rend\rlast");
    sitting.sees_text("say these 5 lines in lobby, one by one? y/N");
    peer.hears_nothing_for(Duration::from_millis(50));
    sitting.types("y\r");
    for text in ["so: if x", "  /who", "/quit", "end", "last"] {
        assert_eq!(peer.next_request().unwrap()["text"], text);
        peer.says(&format!("<ann> {text}\n"));
        peer.does_it();
    }
}

#[test]
fn a_paste_of_more_lines_is_asked_about_and_paced() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("draft");
    sitting.sees_draft("draft");
    sitting.pastes(&numbered(8));
    sitting.sees_text("say these 8 lines in lobby, one by one? y/N");
    sitting.types("y\r");
    peer.hears("draftline 1");
    // The next one goes only when this one has come back.
    sitting.sees_text("pasting: 1 of 8 lines; Ctrl-C stops it");
    peer.hears_nothing_for(Duration::from_millis(300));
    peer.says("<ann> draftline 1\n");
    let start = Instant::now();
    for number in 2..=8 {
        peer.returns("ann", &format!("line {number}"));
    }
    // Lines 3 to 8 waited for a tenth of a second each.
    assert!(
        start.elapsed() >= Duration::from_millis(550),
        "{:?}",
        start.elapsed()
    );
    sitting.sees_text("<ann> line 8");
    sitting.sees_draft("");
    assert!(
        !is_shown(&sitting.model(), "pasting"),
        "{}",
        sitting.screen()
    );
}

#[test]
fn a_paste_that_is_not_wanted_leaves_the_line_as_it_was() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("draft");
    sitting.pastes(&numbered(6));
    sitting.sees_text("say these 6 lines");
    sitting.types("\r");
    sitting.sees_text("~ nothing of the paste is said");
    sitting.sees_draft("draft");
    sitting.types("\r");
    peer.hears("draft");
}

#[test]
fn a_paste_can_be_stopped() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.pastes(&numbered(100));
    sitting.sees_text("say these 100 lines");
    sitting.types("y\r");
    peer.returns("ann", "line 1");
    peer.hears("line 2");
    sitting.types("\u{3}");
    sitting.sees_text("~ the paste is stopped; 98 lines of it are not said");
    peer.says("<ann> line 2\n");
    sitting.sees_text("<ann> line 2");
    sitting.types("still here\r");
    peer.hears("still here");
}

#[test]
fn a_paste_into_a_command_stays_with_the_command() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("/msg ben ");
    sitting.pastes("secret 1\rsecret 2\r");
    sitting.sees_draft("/msg ben secret 1 secret 2");
    sitting.types("\r");
    peer.hears("/msg ben secret 1 secret 2");
}

// Escape

#[test]
fn an_escape_eats_nothing_that_follows() {
    for keys in [
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}O",
        "\u{1b}]",
        "\u{1b}[1;5",
        "\u{1b}\u{1b}",
    ] {
        let (sitting, mut peer, _server) = seated(&[]);
        sitting.types(keys);
        peer.hears_nothing_for(Duration::from_millis(100));
        sitting.types("/msg ben secret\r");
        peer.hears("/msg ben secret");
    }
    // Without a pause between them.
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("\u{1b}/msg ben secret\u{1b}\r");
    peer.hears("/msg ben secret");
    sitting.types("\u{1b}[15~hello\u{1b}[24~\r");
    peer.hears("hello");
}

#[test]
fn an_unknown_command_is_refused_and_never_said() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("/mgs ben secret\r");
    sitting.sees_text("! unknown-command there is no command mgs");
    sitting.types("/HELP\r");
    sitting.sees_text("= /msg NAME TEXT  says something to NAME alone");
    sitting.types("/ME waves\r");
    peer.hears("/me waves");
    sitting.sees_text("  …   /ME waves");
    let mut said = json!({"is": "said", "room": "lobby", "id": "9-9", "from": "ann"});
    (said["text"], said["action"]) = ("waves".into(), true.into());
    peer.says_line(&said);
    sitting.sees_text(" <*> ann waves");
}

// Other sizes

#[test]
fn a_window_may_change_its_size_at_any_time() {
    let (sitting, mut peer, _server) = seated(&[]);
    for number in 0..30 {
        peer.says(&format!("<ben> line {number}\n"));
    }
    let draft = "a draft of some length that does not fit into a narrow one";
    sitting.types(draft);
    sitting.sees_draft(draft);
    for (columns, rows) in [(40, 24), (40, 10), (120, 30), (20, 5), (80, 24)] {
        sitting.resizes(columns, rows);
        let marker = format!("now {columns}");
        peer.says(&format!("<ben> {marker}\n"));
        sitting.sees_text(&marker);
        sitting.sees("one prompt with the end of the draft", |model| {
            let (row, column) = model.cursor_row();
            let is_draft = |row: &&String| row.starts_with("lobby") || row.contains(" one");
            let prompts = model.rows().iter().filter(is_draft).count();
            // All in one row, from the prompt on, also where the draft is too long for that.
            let is_one_row = row.starts_with("lobby") && row.ends_with(" one");
            is_one_row && column < usize::from(columns) && prompts == 1
        });
    }
    sitting.sees_draft(draft);
    // As much of it as there is room for, also once there is more.
    let long = draft.repeat(2);
    sitting.types(draft);
    for (columns, seen) in [(30, 5), (100, 40)] {
        sitting.resizes(columns, 24);
        let end = &long[long.len() - seen..];
        sitting.sees("the end of the line", |model| {
            model.cursor_row().0.ends_with(end)
        });
    }
    sitting.types(&"\u{7f}".repeat(draft.len()));
    sitting.types("!\r");
    peer.hears(&format!("{draft}!"));
    let rows = sitting.model().all_rows();
    for number in 0..30 {
        let line = format!("<ben> line {number}");
        assert_eq!(
            rows.iter().filter(|row| row.ends_with(&line)).count(),
            1,
            "{line}"
        );
    }
}

#[test]
fn a_tiny_window_is_no_reason_to_fail() {
    let (sitting, mut peer, _server) = seated(&[]);
    for (columns, rows) in [(1, 1), (2, 1), (3, 2), (5, 1), (80, 24)] {
        sitting.resizes(columns, rows);
        sitting.types("漢x");
        peer.says("<ben> hi\n");
    }
    sitting.types("\r");
    peer.hears(&"漢x".repeat(5));
}
